import { readFile } from 'node:fs/promises';
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { readSecret } from '../aws/secret.ts';
import type { NatsSettings } from '../config/nats.ts';
import { type NatsAddress, parseNatsUrl } from '../config/nats-url.ts';

/** Where the broker is and how to get in, for one attempt to connect. */
export interface NatsAccess {
  address: NatsAddress;
  /** PEM of a private authority to trust for TLS. */
  ca: string | undefined;
  authenticator: Authenticator | undefined;
}

/**
 * Finds out how to get to the broker. Asked before each attempt to connect, since files and secrets are replaced.
 *
 * @throws Error when it cannot be found out now; its message repeats nothing secret
 */
export async function natsAccess(settings: NatsSettings): Promise<NatsAccess> {
  const secret = settings.secretArn === undefined ? {} : parseSecret(await readSecret(settings.secretArn));
  const address = secret.url === undefined ? settings.address : parseNatsUrl(secret.url);
  if (!address) throw new Error('The secret names no url, and NATS_URL is not set');
  const creds = secret.creds ?? (settings.creds === undefined ? undefined : await credsText(settings.creds));
  const authenticator = creds === undefined ? loginOf(address) : byCreds(creds);
  return { address, ca: secret.ca, authenticator };
}

function loginOf({ login }: NatsAddress): Authenticator | undefined {
  if (!login) return undefined;
  if ('token' in login) return tokenAuthenticator(login.token);
  return usernamePasswordAuthenticator(login.user, login.password);
}

/** A user's JWT with its nkey seed as the tools of NATS write them, or a seed alone. */
function byCreds(creds: string): Authenticator {
  const [seed] = /\bSU[A-Z2-7]{56}\b/.exec(creds) ?? [];
  if (seed === undefined) throw new Error('The credentials hold no nkey seed of a user');
  const bytes = new TextEncoder().encode(creds.includes('NATS USER JWT') ? `${creds.trim()}\n` : seed);
  return creds.includes('NATS USER JWT') ? credsAuthenticator(bytes) : nkeyAuthenticator(bytes);
}

/** Whether it is credentials or a seed, and not what says where they are. */
const isCreds = (text: string) => text.startsWith('-----BEGIN') || /^SU[A-Z2-7]{56}$/.test(text);

/** What the setting holds, or the file that it names. */
async function credsText(setting: string): Promise<string> {
  if (isCreds(setting)) return setting;
  try {
    return await readFile(setting, 'utf8');
  } catch (error) {
    // Not the system's own message: what it takes for a path may be credentials that were cut short.
    throw new Error(`NATS_CREDS names no file that can be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** A secret is credentials, a seed, a URL, or JSON with any of `url`, `creds` and `ca`. */
function parseSecret(text: string): { url?: string; creds?: string; ca?: string } {
  const plain = text.trim();
  if (isCreds(plain)) return { creds: plain };
  if (!plain.startsWith('{')) return { url: plain };
  let secret: unknown;
  try {
    secret = JSON.parse(plain);
  } catch {
    // The parser's own message would quote the secret.
    throw new Error('The secret is not valid JSON');
  }
  const { url, creds, ca } = secret as Record<string, unknown>;
  const known = Object.entries({ url, creds, ca }).filter(([, value]) => value !== undefined);
  if (!known.every(([, value]) => typeof value === 'string')) {
    throw new Error('The secret has a member that is not text');
  }
  return Object.fromEntries(known);
}

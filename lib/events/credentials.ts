import { readFile } from 'node:fs/promises';
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { parseSecret, readSecret } from '../aws/secret.ts';
import type { NatsSettings } from '../config/nats.ts';
import { type NatsAddress, parseNatsUrl } from '../config/nats-url.ts';

/** The broker's address and the credentials for one attempt to connect. */
export interface NatsAccess {
  address: NatsAddress;
  /** PEM certificate of a private authority to trust. */
  ca: string | undefined;
  authenticator: Authenticator | undefined;
}

/**
 * Reads the file or the secret that the settings refer to. Either may be replaced while the process runs.
 *
 * @throws Error whose message contains no part of the file or secret
 */
export async function readNatsAccess(settings: NatsSettings): Promise<NatsAccess> {
  const secret =
    settings.secretArn === undefined ? {} : parseNatsSecret(await readSecret(settings.secretArn));
  const address = secret.url === undefined ? settings.address : parseNatsUrl(secret.url);
  if (!address) throw new Error('The secret contains no url, and NATS_URL is not set');
  const creds = secret.creds ?? (settings.creds === undefined ? undefined : await credsText(settings.creds));
  const authenticator = creds === undefined ? loginOf(address) : parseCreds(creds);
  return { address, ca: secret.ca, authenticator };
}

function loginOf({ login }: NatsAddress): Authenticator | undefined {
  if (!login) return undefined;
  if ('token' in login) return tokenAuthenticator(login.token);
  return usernamePasswordAuthenticator(login.user, login.password);
}

/** Parses a user's JWT with its nkey seed, as the `nsc` tool writes them, or a seed. */
function parseCreds(creds: string): Authenticator {
  const [seed] = /\bSU[A-Z2-7]{56}\b/.exec(creds) ?? [];
  if (seed === undefined) throw new Error('The credentials contain no nkey seed of a user');
  const bytes = new TextEncoder().encode(creds.includes('NATS USER JWT') ? `${creds.trim()}\n` : seed);
  return creds.includes('NATS USER JWT') ? credsAuthenticator(bytes) : nkeyAuthenticator(bytes);
}

/** False for a path or a URL. */
const isCreds = (text: string) => text.startsWith('-----BEGIN') || /^SU[A-Z2-7]{56}$/.test(text);

/** The setting is credentials, or the path of a file that contains them. */
async function credsText(setting: string): Promise<string> {
  if (isCreds(setting)) return setting;
  try {
    return await readFile(setting, 'utf8');
  } catch (error) {
    // The system's message would contain the path, which may be truncated credentials.
    throw new Error(
      `NATS_CREDS is not the path of a readable file (${(error as NodeJS.ErrnoException).code})`,
    );
  }
}

/** A secret is credentials, a seed, a URL, or JSON with any of `url`, `creds` and `ca`. */
function parseNatsSecret(secret: string): { url?: string; creds?: string; ca?: string } {
  const plain = secret.trim();
  return isCreds(plain) ? { creds: plain } : parseSecret(secret, ['url', 'creds', 'ca']);
}

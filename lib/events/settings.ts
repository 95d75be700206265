import { boolean, ConfigError, type Environment, text } from '../env.ts';
import { type NatsAddress, parseNatsUrl } from './url.ts';

/** Where events go, and how to get in. */
export interface NatsSettings {
  /** Undefined: the secret names it. */
  address: NatsAddress | undefined;
  /** Credentials or an nkey seed: the text itself, or the path of a file that holds it. */
  creds: string | undefined;
  /** The Secrets Manager secret that has the URL, credentials or private authority. */
  secretArn: string | undefined;
}

/**
 * @returns undefined when events are off
 * @throws ConfigError for the first setting that cannot be used, be events on or off
 */
export function readNats(env: Environment): NatsSettings | undefined {
  const on = boolean(env, 'ENABLE_NATS');
  const address = natsAddress(env);
  const creds = text(env, 'NATS_CREDS');
  const secretArn = text(env, 'NATS_SECRET_ARN');
  if (secretArn !== undefined && !/^arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+$/.test(secretArn)) {
    throw new ConfigError('NATS_SECRET_ARN', 'must be the ARN of a Secrets Manager secret');
  }
  if (!on) return undefined;
  if (!address && secretArn === undefined) {
    throw new ConfigError('ENABLE_NATS', 'cannot be true without NATS_URL, which says where events go');
  }
  return { address, creds, secretArn };
}

function natsAddress(env: Environment): NatsAddress | undefined {
  const url = text(env, 'NATS_URL');
  if (url === undefined) return undefined;
  try {
    return parseNatsUrl(url);
  } catch (error) {
    // The URL may hold a password, so the message says what is wrong with it and never repeats it.
    throw new ConfigError('NATS_URL', (error as Error).message);
  }
}

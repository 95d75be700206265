import { type NatsAddress, parseNatsUrl } from './nats-url.ts';
import { boolean, ConfigError, type Environment, secretArn, text, url } from './parse.ts';

/** Where events are published, and how to log in. */
export interface NatsSettings {
  /** Undefined: the secret contains it. */
  address: NatsAddress | undefined;
  /** Credentials or an nkey seed: the text itself, or the path of a file with it. */
  creds: string | undefined;
  /** The Secrets Manager secret with the URL, the credentials or a private certificate authority. */
  secretArn: string | undefined;
}

/**
 * @returns undefined when events are off
 * @throws ConfigError for the first invalid setting, whether events are on or off
 */
export function readNats(env: Environment): NatsSettings | undefined {
  const on = boolean(env, 'ENABLE_NATS');
  const address = url(env, 'NATS_URL', parseNatsUrl);
  const creds = text(env, 'NATS_CREDS');
  const arn = secretArn(env, 'NATS_SECRET_ARN');
  if (!on) return undefined;
  if (!address && arn === undefined) {
    throw new ConfigError('ENABLE_NATS', 'cannot be true without the address of the broker in NATS_URL');
  }
  return { address, creds, secretArn: arn };
}

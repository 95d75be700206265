import { ConfigError, type Environment, shown, text } from './parse.ts';

/** An ElastiCache cache that authenticates with IAM. */
export interface IamCache {
  /** Name of the serverless cache, or id of the replication group, in lower case as ElastiCache stores it. */
  name: string;
  /** Logins to a serverless cache and to a replication group are signed differently. */
  isServerless: boolean;
  /** Undefined: the region of the function. */
  region: string | undefined;
}

const NAME = '[a-zA-Z][a-zA-Z0-9-]*';
const SHAPE = new RegExp(
  `^(?:arn:[a-z-]+:elasticache:([a-z0-9-]+):\\d{12}:(serverlesscache|replicationgroup):)?(${NAME})$`,
);

/**
 * Parses the ARN of a serverless cache or of a replication group, or the name of a serverless cache.
 *
 * @throws ConfigError
 */
export function parseIamCache(env: Environment, name: string): IamCache | undefined {
  const given = text(env, name);
  if (given === undefined) return undefined;
  const [, region, kind = 'serverlesscache', cache] = SHAPE.exec(given) ?? [];
  if (cache === undefined) {
    throw new ConfigError(
      name,
      `must be the ARN of an ElastiCache serverless cache or replication group, or the name of a serverless cache, not ${shown(given)}`,
    );
  }
  return { name: cache.toLowerCase(), isServerless: kind === 'serverlesscache', region };
}

import { STORE_COMMANDS } from '../../../lib/store/redis/connection/commands.ts';

/**
 * Permissions of the service's user in Redis ACL syntax: the service's keys, and the commands that the store and its client send.
 * They also apply to each command of a script.
 */
export const ACCESS_STRING = [
  'on',
  '~{cache:*',
  '-@all',
  // AUTH, HELLO and PING, without commands that list or kill other clients.
  '+@connection',
  '-@dangerous',
  // Slot lookup of cluster clients.
  '+cluster|slots',
  '+cluster|info',
  '+info',
  ...STORE_COMMANDS.map((command) => `+${command}`),
].join(' ');

/** The same on servers with replicas, for `WAIT_REPLICAS`. ElastiCache Serverless has no WAIT. */
export const ACCESS_STRING_WITH_WAIT = `${ACCESS_STRING} +wait`;

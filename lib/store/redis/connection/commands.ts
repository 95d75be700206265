import * as scripts from '../scripts/index.ts';

/** Commands that the store sends itself, except WAIT, which is sent with `call`. */
const SENT_COMMANDS = ['time', 'eval', 'evalsha', 'mget'];

const scriptCommands = Object.values(scripts)
  .filter((script) => typeof script === 'object')
  .flatMap(({ lua }) => [...lua.matchAll(/redis\.call\('(\w+)'/g)])
  .map(([, command = '']) => command.toLowerCase());

/** Every command that the store or its scripts send. */
export const STORE_COMMANDS: readonly string[] = [...new Set([...SENT_COMMANDS, ...scriptCommands])].sort();

/** Every command that ioredis itself sends: to log in, to read a cluster's slots, and to check whether a server is ready. */
export const CLIENT_COMMANDS = [
  'hello',
  'auth',
  'select',
  'client',
  'info',
  'cluster',
  'readonly',
  'asking',
  'ping',
  'quit',
] as const;

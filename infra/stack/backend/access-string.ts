import { STORE_COMMANDS } from '../../../lib/store/redis/connection/commands.ts';

/**
 * What the service's user may do, in the words of the server's access control: its own keys, and the commands that the store
 * and its client send. Scripts are held to the same rules, command by command.
 */
export const ACCESS_STRING = [
  'on',
  '~{cache:*',
  '-@all',
  // To log in, to say which protocol, to ask whether anybody is there; without what looks at or stops other clients.
  '+@connection',
  '-@dangerous',
  // For a client of a cluster to find its way.
  '+cluster|slots',
  '+cluster|info',
  '+info',
  ...STORE_COMMANDS.map((command) => `+${command}`),
].join(' ');

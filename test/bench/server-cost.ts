import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { infoFields } from '../support/engines/inspect.ts';

/** The commands that the store sends. Their times include those of commands that its scripts call. */
const COMMANDS = ['mget', 'evalsha'];

/**
 * Returns the time that the server spends on the store's commands while `action` runs, in microseconds by the server's own count.
 * Network input and output are not included. Requires a server without other clients.
 *
 * The server counts whole microseconds per command, so a few short commands may add up to 0; this is returned as 1.
 */
export async function serverTime(raw: Redis, action: () => Promise<unknown>): Promise<number> {
  const before = await microsecondsOf(raw);
  await action();
  return Math.max(1, (await microsecondsOf(raw)) - before);
}

async function microsecondsOf(raw: Redis): Promise<number> {
  const stats = await raw.info('commandstats');
  let sum = 0;
  for (const [, command = '', usec] of stats.matchAll(/^cmdstat_(\S+?):calls=\d+,usec=(\d+)/gm)) {
    if (COMMANDS.includes(command.toLowerCase())) sum += Number(usec);
  }
  return sum;
}

/** Returns the memory that `load` allocates in an empty store, in bytes. Empties the store afterwards. */
export async function memoryOf(raw: Redis, load: () => Promise<unknown>): Promise<number> {
  await raw.flushall();
  const before = await settledMemory(raw);
  await load();
  const taken = (await settledMemory(raw)) - before;
  await raw.flushall();
  return taken;
}

/** Returns the used memory in bytes once it is stable. Some servers free or count memory with a delay. */
async function settledMemory(raw: Redis): Promise<number> {
  let last = Number.NaN;
  for (;;) {
    const used = Number((await infoFields(raw, 'memory')).used_memory);
    if (Math.abs(used - last) < 10_000) return used;
    last = used;
    await sleep(200);
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { infoFields } from '../support/engines/inspect.ts';

/** Commands that the store sends; its scripts call others, whose time is part of theirs. */
const COMMANDS = ['mget', 'evalsha'];

/**
 * Microseconds that a server spends on the store's commands while `action` runs, by its own count; reading requests and
 * writing answers are left out. Only of use where nobody else talks to it.
 *
 * It counts whole microseconds of each command, so that a few short ones may come to nothing: that is reported as 1.
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

/** Bytes of the server's memory that `load` takes, in an empty store, which it is left in. */
export async function memoryOf(raw: Redis, load: () => Promise<unknown>): Promise<number> {
  await raw.flushall();
  const before = await settledMemory(raw);
  await load();
  const taken = (await settledMemory(raw)) - before;
  await raw.flushall();
  return taken;
}

/** Bytes in use once nothing changes any more: some servers give memory back, or count it, with a delay. */
async function settledMemory(raw: Redis): Promise<number> {
  let last = Number.NaN;
  for (;;) {
    const used = Number((await infoFields(raw, 'memory')).used_memory);
    if (Math.abs(used - last) < 10_000) return used;
    last = used;
    await sleep(200);
  }
}

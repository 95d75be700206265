import { describe, expect, inject, test } from 'vitest';
import { MAX_STORED_TAGS } from '../../lib/store/lease.ts';
import type { Argument } from '../../lib/store/redis/connection/send.ts';
import { EXPIRY_AT, encodeEntry, TAG_SEPARATOR } from '../../lib/store/redis/entry.ts';
import type { Script } from '../../lib/store/redis/scripts/fragments.ts';
import { lease } from '../../lib/store/redis/scripts/lease.ts';
import { set } from '../../lib/store/redis/scripts/set.ts';
import { useShard } from './shard.ts';

/** The server may run out of memory, or evict a key, between any two commands of a script. */
describe.each(inject('targets'))('a script that is interrupted, $name', ({ url }) => {
  const at = useShard(url);

  const OUT_OF_MEMORY = "error('out of memory')";
  const SET_ENTRY = "redis.call('SET', KEYS[i], entry";
  const SET_HEADER = "if hasRoom and redis.call('SETRANGE'";
  const large = JSON.stringify('x'.repeat(5000));

  const entryKey = () => at.shard.entryKey('k') as string;
  /** Runs a script for `k`, in which `lua` precedes `command`. */
  function run(script: Script, lua: string, command: string, args: Argument[]): Promise<unknown> {
    const changed = script.lua.replace(command, `${lua} ${command}`);
    expect(changed).not.toBe(script.lua);
    return at.engine.eval(
      changed,
      4,
      ...at.shard.metaKeys,
      entryKey(),
      Date.now() + 5000,
      'generation.',
      ...args,
    );
  }
  function setWith(lua: string, command: string, value: string, ttlMs: number): Promise<unknown> {
    const { head, fields, body } = encodeEntry({ value, ttlSeconds: ttlMs / 1000 }, 0);
    return run(set, lua, command, [1, '', ttlMs, ttlMs, 'k', head, fields, body]);
  }

  test.each([
    ['shorter', 10],
    ['longer', 1000],
  ])('a set leaves no entry that lives longer than its name, if the new TTL is %s', async (_, seconds) => {
    await at.store.set(at.tenant, 'k', '"old"', 100);
    const interrupted = setWith(OUT_OF_MEMORY, SET_ENTRY, '"new"', seconds * 1000);
    await expect(interrupted).rejects.toThrow('out of memory');
    const leftMs = await at.engine.pttl(entryKey());
    expect(leftMs).toBeGreaterThan(0);
    // A value that would live longer than its name was emptied.
    if (seconds < 100) expect(await at.engine.strlen(entryKey())).toBe(0);
    // The tolerance covers the duration of the commands.
    expect(Number(await at.engine.zscore(at.shard.expiryIndex, 'k'))).toBeGreaterThan(
      Date.now() + leftMs - 5000,
    );
  });

  test('a set leaves a miss if the header of a large body is not written', async () => {
    await at.store.set(at.tenant, 'k', '"old"', 100);
    const interrupted = setWith(OUT_OF_MEMORY, SET_HEADER, large, 200_000);
    await expect(interrupted).rejects.toThrow('out of memory');
    expect(await at.store.get(at.tenant, 'k')).toBeUndefined();
  });

  test('a set leaves nothing if a large body is evicted before its header is written', async () => {
    await at.store.set(at.tenant, 'k', '"old"', 100);
    await setWith("redis.call('DEL', KEYS[i])", SET_HEADER, large, 200_000);
    expect(await at.engine.exists(entryKey())).toBe(0);
  });

  test('a lease on a stale value with too many tags leaves no value that lives longer than its name', async () => {
    await at.store.set(at.tenant, 'k', '"old"', 1, { graceSeconds: 1000 });
    await at.engine.setrange(entryKey(), EXPIRY_AT, '0000000000001');
    const tags = Array.from({ length: MAX_STORED_TAGS + 1 }, (_, i) => `t:${i}`).join(TAG_SEPARATOR);
    const args = [30, tags, 'token......', 'k'];
    const interrupted = run(lease, OUT_OF_MEMORY, "redis.call('SET', KEYS[i], placeholder", args);
    await expect(interrupted).rejects.toThrow('out of memory');
    expect(await at.engine.strlen(entryKey())).toBe(0);
    expect(await at.engine.pttl(entryKey())).toBeGreaterThan(0);
  });
});

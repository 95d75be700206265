import { GENERATION_BYTES } from '../entry.ts';
import { BEGIN, script, UNPACK } from './fragments.ts';

/**
 * Makes all entries of a shard unreadable, and renames the expiry index so that the memory of the entries can be reclaimed.
 *
 * KEYS[4]: the index's new key. ARGV[1]: its TTL in milliseconds. Returns the number of live entries.
 */
export const clear = script(`${BEGIN}
local live = generation and redis.call('ZCOUNT', KEYS[2], now, '+inf') or 0
redis.call('DEL', KEYS[1])
redis.call('UNLINK', KEYS[3])
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RENAME', KEYS[2], KEYS[4])
  redis.call('PEXPIRE', KEYS[4], ARGV[1])
  if generation then redis.call('ZREM', KEYS[4], '\\0' .. generation) end
end
return live
`);

/**
 * Reclaims the memory of entries that a clear has made unreadable. Entries that were set since then have the current generation, and
 * remain.
 *
 * KEYS: the shard's generation, the renamed expiry index, the entries. ARGV: the size of the next page, then the names of these entries.
 * Returns the next page of names.
 */
export const reclaim = script(`${UNPACK}
local generation = redis.call('GET', KEYS[1])
for i = 3, #KEYS do
  if not generation or redis.call('GETRANGE', KEYS[i], 0, ${GENERATION_BYTES - 1}) ~= generation then
    redis.call('UNLINK', KEYS[i])
  end
end
if #ARGV > 1 then redis.call('ZREM', KEYS[2], unpack(ARGV, 2)) end
-- Names with a minus sign are placeholders, which expire soon, and tags, which have no entries.
local page = redis.call('ZRANGEBYSCORE', KEYS[2], 0, '+inf', 'LIMIT', 0, ARGV[1])
if #page == 0 then redis.call('UNLINK', KEYS[2]) end
return page
`);

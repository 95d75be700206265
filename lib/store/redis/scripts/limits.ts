import { BEGIN, BYTES_MEMBER, HEADER, REAP, script, TAGS } from './fragments.ts';

/**
 * Evicts entries of a tenant that is above its limits.
 *
 * KEYS from the 4th: the entries. ARGV: the number of entries to keep (empty: all), the bytes to free, the size of the next page, then name
 * and score of each entry. An entry that was set or touched since has another score, and remains.
 *
 * Returns the number of entries that were evicted, their bytes, then names and scores of the next page, which is empty if nothing more
 * must be evicted.
 */
export const evict = script(`${BEGIN}${HEADER}${TAGS}${REAP}
if not generation then return {0, 0} end
local live = redis.call('ZCOUNT', KEYS[2], now, '+inf')
local kept, bytesToFree = tonumber(ARGV[1]) or live, tonumber(ARGV[2])
local evicted, freed = 0, 0
local names = {}
for i = 4, #KEYS do
  local name, score = ARGV[2 * i - 4], ARGV[2 * i - 3]
  if live - evicted <= kept and freed >= bytesToFree then break end
  if tonumber(redis.call('ZSCORE', KEYS[2], name)) == tonumber(score) then
    freed = freed + redis.call('STRLEN', KEYS[i])
    eachTag(tagsOf(KEYS[i], header(KEYS[i])), function(tag) names[#names + 1] = tagName(tag, name) end)
    redis.call('UNLINK', KEYS[i])
    names[#names + 1] = name
    evicted = evicted + 1
  end
end
unindexAll(names)
if live - evicted <= kept and freed >= bytesToFree then return {evicted, freed} end
return {evicted, freed, unpack(redis.call('ZRANGEBYSCORE', KEYS[2], now, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3]))}
`);

/**
 * Records a measurement of a shard's bytes. ARGV: the bound when it was measured, the bytes. What was written since remains part of the
 * bound. Does nothing if the bound is lower than it was: another measurement was recorded meanwhile.
 */
export const recordBytes = script(`
local bound = tonumber(redis.call('ZSCORE', KEYS[2], '${BYTES_MEMBER}') or '')
if not bound or bound < tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[2], string.format('%.0f', math.max(1, bound - ARGV[1] + ARGV[2])), '${BYTES_MEMBER}')
return 1
`);

import { BEGIN, BYTES_MEMBER, script } from './fragments.ts';

/**
 * Counts a shard's live entries, and returns a sample of their names: evenly spread over the order of expiry, or all of them if there
 * are fewer.
 *
 * ARGV: the size of the sample, the number of entries up to which all are returned, and the position of each sampled name within its part of the order, from 0 to 1. Returns the number of
 * live entries, the bound of their bytes (0: unknown), then the sample.
 */
export const sample = script(`${BEGIN}
if not generation then return {0, 0} end
local live = redis.call('ZCOUNT', KEYS[2], now, '+inf')
local expired = redis.call('ZCARD', KEYS[2]) - live
local size = math.min(live, tonumber(ARGV[1]))
local isSample = live > tonumber(ARGV[2])
local reply = {live, math.floor(tonumber(redis.call('ZSCORE', KEYS[2], '${BYTES_MEMBER}') or 0))}
if not isSample then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], now, '+inf')) do reply[#reply + 1] = name end
  return reply
end
for i = 0, size - 1 do
  local rank = string.format('%.0f', expired + math.floor((i + tonumber(ARGV[3])) * live / size))
  reply[i + 3] = redis.call('ZRANGE', KEYS[2], rank, rank)[1]
end
return reply
`);
/** Returns the lengths of entries in bytes; 0 for a missing or emptied one. KEYS: the entries. */
export const lengths = script(`
local reply = {}
for i = 1, #KEYS do reply[i] = redis.call('STRLEN', KEYS[i]) end
return reply
`);

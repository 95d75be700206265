import { VALUE_FLAGS } from '../entry.ts';
import { BEGIN, HEADER, script, TAGS } from './fragments.ts';

/**
 * Reads a page of a shard's names. ARGV: the start and the end of the range, in the syntax of ZRANGEBYLEX, and the size of the page.
 *
 * Every page comes from a complete index: one that was evicted since the last page is rebuilt, or belongs to a new generation, whose
 * entries were all set during the walk.
 */
export const readNames = script(`${BEGIN}
if not generation then return {} end
return redis.call('ZRANGEBYLEX', KEYS[3], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
`);

/**
 * Describes entries. KEYS from the 4th: the entries. Returns for each the remaining TTL in milliseconds, 0 for a stale value and -1 if there is
 * no value, and the tags with their separators.
 */
export const describeEntries = script(`${BEGIN}${HEADER}${TAGS}
local reply = {}
for i = 4, #KEYS do
  local entry = header(KEYS[i])
  local isValue = isOneOf(entry.flags, '${VALUE_FLAGS}')
  local left = isValue and math.max(0, entry.expiry - now) or -1
  reply[#reply + 1] = left
  reply[#reply + 1] = isValue and tagsOf(KEYS[i], entry) or ''
end
return reply
`);

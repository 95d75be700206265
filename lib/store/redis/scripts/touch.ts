import { GRACE_FLAGS, TTL_AT, VALUE_FLAGS } from '../entry.ts';
import { BEGIN_BEFORE_DEADLINE, EXTEND_META_KEYS, HEADER, script, TAGS } from './fragments.ts';

/**
 * Changes the TTL of a live entry. KEYS[4]: the entry. ARGV: the deadline as in `set`, the TTL in milliseconds, the encoded TTL, the
 * name. The grace stays as long as it was.
 *
 * Returns {1}, or {0} if there is no live entry. If the deadline has passed or is too far ahead, it changes nothing and returns the
 * server's time. An entry must never outlive its name in the expiry index, so a longer TTL is indexed first and a shorter one last.
 */
export const touch = script(`${BEGIN_BEFORE_DEADLINE}${HEADER}${TAGS}
local entry = header(KEYS[4])
if not isOneOf(entry.flags, '${VALUE_FLAGS}') then return {0} end
local ttl = tonumber(ARGV[2])
local expiry = string.format('%013d', now + ttl)
if isOneOf(entry.flags, '${GRACE_FLAGS}') then
  if entry.expiry <= now then return {0} end
  -- Whole seconds were set. The two clocks of the server may differ by a millisecond.
  ttl = ttl + 1000 * math.floor((redis.call('PTTL', KEYS[4]) + now - entry.expiry) / 1000 + 0.5)
end
${EXTEND_META_KEYS}
local score = string.format('%d', now + ttl)
local shorter = (tonumber(redis.call('ZSCORE', KEYS[2], ARGV[4])) or 0) > now + ttl
local tags = tagsOf(KEYS[4], entry)
local function index()
  redis.call('ZADD', KEYS[2], score, ARGV[4])
  indexTags(tags, ARGV[4], score)
end
if not shorter then index() end
redis.call('SETRANGE', KEYS[4], ${TTL_AT}, ARGV[3] .. expiry)
redis.call('PEXPIRE', KEYS[4], string.format('%d', ttl))
if shorter then index() end
return {1}
`);

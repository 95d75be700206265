import { EVICT_TO_SHARE } from '../../store.ts';
import { LEASE_AT, LEASE_FLAGS, LEASED_BODY_AT, NO_TOKEN, TAGS_LENGTH_BYTES } from '../entry.ts';
import {
  BEGIN_BEFORE_DEADLINE,
  BYTES_MEMBER,
  CREATE_GENERATION,
  EXTEND_META_KEYS,
  HEADER,
  REAP,
  script,
  TAGS,
} from './fragments.ts';

/** The share of its limit from which on a shard is measured again, while a measurement runs. */
const MEASURE_AGAIN_SHARE = 0.95;

/** Names that a reply contains at most, except for those of entries that were just written. */
const MAX_EXCESS = 100;

/**
 * Sets `excess` if the limits do not hold. It is a list: 1 if the bytes must be measured, else 0, then pairs of the names that
 * expire soonest and their scores, if there are too many entries. Includes the entries that were just written, which the writer skips. Needs
 * NOW.
 *
 * The bound of the bytes is lowered, so that other writers do not measure at the same time.
 */
const EXCESS = `
if maxBytes > 0 and writtenBytes > 0 then
  local bound = tonumber(redis.call('ZINCRBY', KEYS[2], writtenBytes, '${BYTES_MEMBER}'))
  local isUnknown = bound == writtenBytes and not isNew
  if bound > maxBytes or isUnknown then
    excess = {1}
    redis.call('ZADD', KEYS[2], math.floor(${MEASURE_AGAIN_SHARE} * maxBytes), '${BYTES_MEMBER}')
  end
end
if maxEntries > 0 and redis.call('ZCARD', KEYS[2]) > maxEntries then
  local live = redis.call('ZCOUNT', KEYS[2], now, '+inf')
  if live > maxEntries then
    local count = math.min(live - math.floor(${EVICT_TO_SHARE} * maxEntries), ${MAX_EXCESS}) + last - 3
    local soonest = redis.call('ZRANGEBYSCORE', KEYS[2], now, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
    excess = {excess and 1 or 0, unpack(soonest)}
  end
end
`;

/**
 * Lua that defines the functions of fragments only if they are needed: creating them takes as long as two commands. The fragments must not
 * contain other local functions at the start of a line.
 */
function definedIf(condition: string, fragments: string): string {
  const names = Array.from(fragments.matchAll(/^local function (\w+)/gm), ([, name]) => name);
  return `
local ${names.join(', ')}
if ${condition} then
${fragments.replaceAll(/^local function/gm, 'function')}
end
`;
}

/**
 * Writes entries, removes expired names, and probes for evicted entries. An entry with a token is written only if the key holds a lease
 * with this token.
 *
 * KEYS from the 4th: the entries to write, then the entries to probe.
 *
 * ARGV:
 * 1. the deadline in epoch milliseconds, by the server's clock; empty if every entry has a token
 * 2. a new generation, used if the shard has none
 * 3. the number of entries to write
 * 4. empty, or five numbers, separated by spaces: how many expired names to remove for each name that is written; how many names to return
 *    for the next probe; where that sample starts among the names that have not expired, from 0 to 1; the shard's shares of the tenant's
 *    limits of entries and of bytes, 0 for none
 * 5. for each entry to write: TTL, and TTL and grace together, in milliseconds; name, head, fields and body. The generation and the expiry
 *    are inserted. A body that begins with a zero byte has room for all that precedes it.
 * 6. the names of the entries to probe
 *
 * Returns 0, or what the caller must know: the number of probed entries that were evicted, the numbers of the entries whose lease has ended,
 * what must be evicted to hold the limits (see EXCESS), then the sample. If the deadline has passed or is too far ahead, it writes nothing
 * and returns the server's time.
 *
 * An entry keeps the token that it was written with, so a repeated set with a lease succeeds. It writes nothing, because the entry may have
 * been touched since.
 *
 * Most sets write one entry without fields. For them, it avoids what costs as much as a command: functions, formatted numbers, and tables.
 */
export const set = script(`${BEGIN_BEFORE_DEADLINE}
local last = 3 + ARGV[3]
local ttl = 0
local isFill, isPlain = true, ARGV[4] == '' and last == #KEYS
for i = 4, last do
  local at = 6 * i - 19
  ttl = math.max(ttl, tonumber(ARGV[at + 1]))
  local fields = ARGV[at + 4]
  if fields == '' then isFill = false else
    isPlain = false
    isFill = isFill and string.sub(fields, 1, ${NO_TOKEN.length}) ~= '${NO_TOKEN}'
  end
end
${EXTEND_META_KEYS}
local isNew = not generation
if not isFill then
${CREATE_GENERATION}
end
-- Only an entry of a shard with names of tags can have tags. Their scores are negative.
local mayHaveTags = redis.call('ZCOUNT', KEYS[2], '-inf', '(0') > 0
${definedIf('mayHaveTags or not isPlain', `${HEADER}${TAGS}${REAP}`)}
local lost
local writtenNames, writtenBytes = last - 3, 0
for i = 4, last do
  local at = 6 * i - 19
  local ttlText, lifeText, name, fields = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 4]
  local token = string.sub(fields, 1, ${NO_TOKEN.length})
  local hasToken = token ~= '' and token ~= '${NO_TOKEN}'
  local old = (hasToken or mayHaveTags) and header(KEYS[i])
  local writes = true
  if hasToken then
    local isOurs = isOneOf(old.flags, '${LEASE_FLAGS}') and old.token == token
    writes = isOurs and old.leaseExpiry > now
    if not writes and not (isOurs and old.leaseExpiry == 0) then
      lost = lost or {}
      lost[#lost + 1] = i - 3
    end
  end
  if writes then
    local tags = fields == '' and '' or string.sub(fields, ${LEASED_BODY_AT - LEASE_AT + TAGS_LENGTH_BYTES + 1})
    local oldTags = mayHaveTags and tagsOf(KEYS[i], old) or ''
    local expiry = string.format('%013d', now + ttlText)
    local score = ttlText == lifeText and expiry or string.format('%d', now + lifeText)
    -- An entry must never live longer than its name: one that would is emptied first, since the script may be interrupted.
    if redis.call('ZADD', KEYS[2], 'GT', 'CH', score, name) == 0 then
      redis.call('SET', KEYS[i], '', 'PX', lifeText)
      redis.call('ZADD', KEYS[2], score, name)
    end
    redis.call('ZADD', KEYS[3], '0', name)
    if tags ~= '' then
      indexTags(tags, name, score)
      eachTag(tags, function() writtenNames = writtenNames + 1 end)
      mayHaveTags = true
    end
    local entry = ARGV[at + 5]
    local prefix = generation .. ARGV[at + 3] .. expiry .. fields
    local hasRoom = string.byte(entry) == 0
    if not hasRoom then entry = prefix .. entry end
    redis.call('SET', KEYS[i], entry, 'PX', lifeText)
    -- Until then, the entry has no generation and cannot be read. If it was evicted meanwhile, this creates one without a body.
    if hasRoom and redis.call('SETRANGE', KEYS[i], 0, prefix) ~= #entry then redis.call('UNLINK', KEYS[i]) end
    writtenBytes = writtenBytes + #entry
    if oldTags ~= '' then
      eachTag(oldTags, function(tag) if not hasTag(tags, tag) then unindex(tagName(tag, name)) end end)
    end
  end
end
local evicted = 0
for i = last + 1, #KEYS do
  local name = ARGV[#ARGV - #KEYS + i]
  -- An expired entry was not evicted. Its name remains for the grace period.
  if redis.call('EXISTS', KEYS[i]) == 0 and math.abs(tonumber(redis.call('ZSCORE', KEYS[2], name)) or 0) > now then
    evicted = evicted + 1
    unindex(name)
  end
end
local excess = false
local sample = {}
if ARGV[4] ~= '' then
  local reapedPerName, sampleCount, sampleStart, maxEntries, maxBytes = string.match(ARGV[4], '(%d+) (%d+) (%S+) (%d+) (%d+)')
  maxEntries, maxBytes = tonumber(maxEntries), tonumber(maxBytes)
  if reapedPerName ~= '0' then reap(reapedPerName * writtenNames) end
${EXCESS}
  if sampleCount ~= '0' then
    -- In the order of scores, names with a minus sign that have not ended are first, and live entries are last.
    local others = redis.call('ZCOUNT', KEYS[2], '-inf', -now)
    local ended = redis.call('ZCOUNT', KEYS[2], '(' .. -now, now)
    local start = math.floor((redis.call('ZCARD', KEYS[2]) - ended) * sampleStart)
    if start >= others then start = start + ended end
    sample = redis.call('ZRANGE', KEYS[2], start, start + sampleCount - 1)
  end
end
if evicted == 0 and not lost and not excess and #sample == 0 then return 0 end
return {evicted, lost or {}, excess, unpack(sample)}
`);

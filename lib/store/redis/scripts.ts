import { createHash } from 'node:crypto';
import { MAX_LEASE_SECONDS, MAX_STORED_TAGS } from '../lease.ts';
import { EVICT_TO_SHARE } from '../store.ts';
import {
  EXPIRY_AT,
  GENERATION_BYTES,
  GRACE_FLAGS,
  LEASE_AT,
  LEASE_EXPIRY_AT,
  LEASE_FLAGS,
  LEASED_BODY_AT,
  NO_LEASE,
  PLACEHOLDER,
  PLACEHOLDER_FLAGS,
  TAG_FLAGS,
  TAGGED_PLACEHOLDER,
  TAGS_FLAG,
  TAGS_LENGTH_BYTES,
  TTL_AT,
  VALUE_FLAGS,
} from './entry.ts';

/**
 * All changes that must be atomic on the server, as Lua scripts for Dragonfly, Valkey and Redis.
 *
 * A shard without a generation has only misses, so a script that cannot be sure that the indexes are complete deletes the
 * generation. The server may crash or run out of memory between any two commands of a script. Therefore commands that make entries
 * unreadable come first, and commands that make entries readable come last, when the indexes already contain their names.
 *
 * KEYS contain every key that a script accesses. Unless stated otherwise, they begin with the shard's generation (1), expiry index (2)
 * and name index (3). The scripts use only what Lua 5.1 (Redis, Valkey) and 5.4 (Dragonfly) have in common.
 */
export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

function script(lua: string): Script {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

/** How long names remain in the indexes after their expiry, in milliseconds: the clock of a promoted replica may be behind. */
export const REAP_GRACE_MS = 60_000;

/**
 * How many expired names a set removes for each name that it writes, on average. More than one, so that an index shrinks faster than it grows.
 */
export const REAPED_PER_NAME = 16;

/** How many expired names one script removes at most. It adds fewer: a hundred entries with 16 tags have 1,700 names. */
const MAX_REAPED = 2000;

/**
 * How far ahead a set's deadline may be, in milliseconds. A later deadline comes from a clock that was changed after the writer read the
 * server's time: the set could apply long after its caller got an error. The limit is twice the longest possible time of an attempt,
 * since the clocks of a cluster's nodes may differ.
 */
const DEADLINE_AHEAD_MS = 10_000;

/** The largest index from which the other is rebuilt. It blocks the server for 1 µs per name. */
const MAX_REBUILT_NAMES = 20_000;

/** Names that one command adds to an index or removes from it: Lua passes a few thousand arguments at most. */
const NAMES_PER_COMMAND = 1000;

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

const UNPACK = `
local unpack = table.unpack or unpack
`;

/**
 * Sets `generation` to the shard's generation, or to nil if it has none. Repairs evicted meta keys first. Needs NOW and UNPACK.
 *
 * Both indexes contain a sentinel: the generation, preceded by a zero byte, as a name that no entry can have. An index with the
 * sentinel contains all names of that generation; an index without it was evicted. So each meta key can be rebuilt from either index.
 * The sentinel is added last, so that an interrupted rebuild counts as evicted. If both indexes were evicted, or the other one is too
 * large, an invalidation could miss names, so the generation is deleted.
 *
 * Only the expiry index has the entries' expiries. When it is rebuilt, all names get the latest possible one.
 */
const REPAIR_INDEXES = `
local generation = redis.call('GET', KEYS[1])
local stored = generation
if not generation then
  local sentinel = redis.call('ZRANGEBYLEX', KEYS[3], '[\\0', '(\\1')[1] or redis.call('ZRANGEBYSCORE', KEYS[2], 0, 0)[1]
  generation = sentinel and string.sub(sentinel, 2)
end
if generation then
  local sentinel = '\\0' .. generation
  local expiries = redis.call('ZSCORE', KEYS[2], sentinel)
  local names = redis.call('ZSCORE', KEYS[3], sentinel)
  local limit = ${MAX_REBUILT_NAMES}
  if expiries and not names and redis.call('ZCARD', KEYS[2]) <= limit then
    redis.call('ZUNIONSTORE', KEYS[3], 1, KEYS[2], 'WEIGHTS', 0)
    redis.call('PEXPIRE', KEYS[3], redis.call('PTTL', KEYS[2]))
  elseif names and not expiries and redis.call('ZCARD', KEYS[3]) <= limit then
    local ttl = redis.call('PTTL', KEYS[3])
    local all = redis.call('ZRANGEBYLEX', KEYS[3], '[\\1', '+')
    redis.call('UNLINK', KEYS[2])
    for first = 1, #all, ${NAMES_PER_COMMAND} do
      local page = {}
      for i = first, math.min(first + ${NAMES_PER_COMMAND} - 1, #all) do
        page[#page + 1] = string.byte(all[i]) == 1 and -(now + ttl) or now + ttl
        page[#page + 1] = all[i]
      end
      redis.call('ZADD', KEYS[2], unpack(page))
    end
    redis.call('ZADD', KEYS[2], 0, sentinel)
    redis.call('PEXPIRE', KEYS[2], ttl)
  elseif not expiries or not names then
    redis.call('DEL', KEYS[1])
    redis.call('UNLINK', KEYS[2], KEYS[3])
    generation = nil
  end
  if generation and not stored then
    redis.call('SET', KEYS[1], generation, 'PX', math.max(1, redis.call('PTTL', KEYS[3])))
  end
end
`;

/**
 * Deletes the meta keys of a shard that has no live name. In the expiry index, the score of an entry is the end of its life. Placeholders
 * and names of tags have negative scores, so a count of positive scores counts only entries with a value.
 */
const DELETE_IF_EMPTY = `
if redis.call('ZCOUNT', KEYS[2], now, '+inf') == 0 and redis.call('ZCOUNT', KEYS[2], '-inf', -now) == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('UNLINK', KEYS[2], KEYS[3])
end
`;

/** Returns the server's time if the deadline has passed or is too far ahead. ARGV[1] is empty if the write has no deadline. Needs NOW. */
const REJECT_LATE = `
local ahead = (tonumber(ARGV[1]) or now) - now
if ahead < 0 or ahead > ${DEADLINE_AHEAD_MS} then return now end
`;

/** Gives the shard the generation in ARGV[2] if it has none. Needs EXTEND_META_KEYS. */
const CREATE_GENERATION = `
if not generation then
  generation = ARGV[2]
  redis.call('SET', KEYS[1], generation, 'PX', metaTtl)
  for i = 2, 3 do
    redis.call('UNLINK', KEYS[i])
    redis.call('ZADD', KEYS[i], 0, '\\0' .. generation)
    redis.call('PEXPIRE', KEYS[i], metaTtl)
  end
end
`;

/**
 * Functions that remove a name, several names, and up to `count` names whose entries and placeholders have expired. The scores of the sentinel
 * and of BYTES_MEMBER are among theirs.
 */
const REAP = `
local function unindex(name)
  redis.call('ZREM', KEYS[3], name)
  redis.call('ZREM', KEYS[2], name)
end
local function unindexAll(names)
  for first = 1, #names, ${NAMES_PER_COMMAND} do
    local last = math.min(first + ${NAMES_PER_COMMAND} - 1, #names)
    redis.call('ZREM', KEYS[3], unpack(names, first, last))
    redis.call('ZREM', KEYS[2], unpack(names, first, last))
  end
end
local function reap(count)
  -- As texts: the server formats a number with more digits.
  local expiredFor = string.format('%d', now - ${REAP_GRACE_MS})
  local limit = math.min(count, ${MAX_REAPED}) + 2
  local ended = {}
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-' .. expiredFor, expiredFor, 'LIMIT', '0', limit)) do
    if string.byte(name) ~= 0 then ended[#ended + 1] = name end
  end
  unindexAll(ended)
end
`;

/** Functions that read the header of an entry. Lua counts from 1. */
const HEADER = `
local function header(key)
  local text = redis.call('GETRANGE', key, 0, ${LEASED_BODY_AT - 1})
  if not generation or string.sub(text, 1, ${GENERATION_BYTES}) ~= generation then return {flags = ''} end
  return {
    flags = string.sub(text, ${GENERATION_BYTES + 1}, ${GENERATION_BYTES + 1}),
    expiry = tonumber(string.sub(text, ${EXPIRY_AT + 1}, ${LEASE_AT})) or 0,
    token = string.sub(text, ${LEASE_AT + 1}, ${LEASE_EXPIRY_AT}),
    leaseExpiry = tonumber(string.sub(text, ${LEASE_EXPIRY_AT + 1}, ${LEASE_EXPIRY_AT + 13})) or 0
  }
end
local function isOneOf(flags, set) return flags ~= '' and string.find(set, flags, 1, true) end
`;

/**
 * Functions that read the tags of an entry. `tagsOf` returns them with their separators; `eachTag` calls a function with each. `tagName` is
 * the name under which the indexes contain a tag of a key. Needs HEADER.
 */
const TAGS = `
local function tagsOf(key, flags)
  if not isOneOf(flags, '${TAG_FLAGS}') then return '' end
  local length = tonumber(redis.call('GETRANGE', key, ${LEASED_BODY_AT}, ${LEASED_BODY_AT + 3})) or 0
  return redis.call('GETRANGE', key, ${LEASED_BODY_AT + 4}, ${LEASED_BODY_AT + 3} + length)
end
local function eachTag(tags, visit)
  for tag in string.gmatch(tags, '[^\\1]+') do visit(tag) end
end
local function tagName(tag, name) return '\\1' .. tag .. '\\1' .. name end
local function hasTag(tags, tag)
  return string.find('\\1' .. tags .. '\\1', '\\1' .. tag .. '\\1', 1, true)
end
local function withLength(tags) return tags == '' and '' or string.format('%04d', #tags) .. tags end
-- One command for each index: a call takes longer than what it does.
local function indexTags(tags, name, score)
  if tags == '' then return end
  local inExpiry, inNames = {}, {}
  eachTag(tags, function(tag)
    local at = #inNames + 1
    inExpiry[at], inNames[at] = '-' .. score, 0
    inExpiry[at + 1] = tagName(tag, name)
    inNames[at + 1] = inExpiry[at + 1]
  end)
  redis.call('ZADD', KEYS[2], unpack(inExpiry))
  redis.call('ZADD', KEYS[3], unpack(inNames))
end
`;

/** Extends the lives of the meta keys to those of entries that live for `ttl` milliseconds. */
const EXTEND_META_KEYS = `
local metaTtl = ttl + ${REAP_GRACE_MS}
if generation and redis.call('PTTL', KEYS[1]) < ttl then
  for i = 3, 1, -1 do redis.call('PEXPIRE', KEYS[i], metaTtl) end
end
`;

/**
 * A member of the expiry index, whose score is an upper bound of the bytes of the shard's entries: their bytes at the last measurement, and
 * all that was written since. Only writers with a limit of bytes maintain it. Sorts behind the sentinel, and like it among expired names.
 */
const BYTES_MEMBER = '\\0~bytes';

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

/** Lua that defines the functions of fragments only if they are needed: to create one takes as long as a short command. */
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
 * 4. empty, or what to do in addition, separated by spaces: how many expired names to remove for each name that is written; the number of
 *    names to return for the next probe, and where that sample starts among the names that have not expired, from 0 to 1; if the tenant has
 *    limits, the shard's share of the limit of entries and that of bytes, 0 for none
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
export const set = script(`${NOW}${UNPACK}${REJECT_LATE}${REPAIR_INDEXES}
local last = 3 + ARGV[3]
local function tokenOf(fields)
  local token = string.sub(fields, 1, ${LEASE_EXPIRY_AT - LEASE_AT})
  return token ~= '${NO_LEASE.slice(0, LEASE_EXPIRY_AT - LEASE_AT)}' and token
end
local ttl = 0
local isFill, isPlain = true, ARGV[4] == '' and last == #KEYS
for i = 4, last do
  local at = 6 * i - 19
  ttl = math.max(ttl, ARGV[at + 1])
  local fields = ARGV[at + 4]
  if fields == '' then isFill = false else
    isPlain = false
    isFill = isFill and tokenOf(fields)
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
  local token = fields ~= '' and tokenOf(fields)
  local writes = true
  if token then
    local entry = header(KEYS[i])
    local isOurs = isOneOf(entry.flags, '${LEASE_FLAGS}') and entry.token == token
    writes = isOurs and entry.leaseExpiry > now
    if not writes and not (isOurs and entry.leaseExpiry == 0) then
      lost = lost or {}
      lost[#lost + 1] = i - 3
    end
  end
  if writes then
    local tags = fields == '' and '' or string.sub(fields, ${LEASED_BODY_AT - LEASE_AT + TAGS_LENGTH_BYTES + 1})
    local oldTags = mayHaveTags and tagsOf(KEYS[i], header(KEYS[i]).flags) or ''
    local expiry = string.format('%013d', now + ttlText)
    local score = ttlText == lifeText and expiry or string.format('%d', now + lifeText)
    redis.call('ZADD', KEYS[2], score, name)
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
    -- Until then, the entry has no generation and cannot be read.
    if hasRoom then redis.call('SETRANGE', KEYS[i], 0, prefix) end
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
  local reapedPerName, sampleCount, sampleStart, limits = string.match(ARGV[4], '(%d+) (%d+) (%S+) ?(.*)')
  if reapedPerName ~= '0' then reap(reapedPerName * writtenNames) end
  if limits ~= '' then
    local maxEntries, maxBytes = string.match(limits, '(%d+) (%d+)')
    maxEntries, maxBytes = tonumber(maxEntries), tonumber(maxBytes)
${EXCESS}
  end
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

/**
 * Grants leases on entries that have no fresh value.
 *
 * KEYS from the 4th: the entries. ARGV: the deadline and a new generation as in `set`, the lease time in seconds, the tags of all entries,
 * then for each entry the token and the name.
 *
 * Returns the generation, then for each entry 1 if the lease was granted, else 0, and the entry. A lease that was granted with the same
 * token is granted again. If the deadline has passed or is too far ahead, it changes nothing and returns the server's time: a late lease
 * could bring back a token, and so the right to set a value that has been invalidated meanwhile.
 *
 * The lease on a stale value ends with its grace at the latest, since the entry then expires.
 */
export const lease = script(`${NOW}${UNPACK}${REJECT_LATE}${REPAIR_INDEXES}${HEADER}${TAGS}${REAP}
local seconds = tonumber(ARGV[3])
local ttl = seconds * 1000
local tags = ARGV[4]
${EXTEND_META_KEYS}
${CREATE_GENERATION}
local function leaseFields(token, seconds)
  return token .. string.format('%013d', now + seconds * 1000) .. string.format('%03d', seconds)
end
-- Adds the tags of the lease to a stale value, whose own tags remain: an invalidation of any of them must end the lease. Leases with other
-- tags each time would add without an end: false if there are too many.
local function addTags(key, name, flags)
  local oldTags = tagsOf(key, flags)
  local all = oldTags
  eachTag(tags, function(tag)
    if not hasTag(all, tag) then all = (all == '' and '' or all .. '\\1') .. tag end
  end)
  if all == oldTags then return true end
  local count = 0
  eachTag(all, function() count = count + 1 end)
  if count > ${MAX_STORED_TAGS} then return false end
  local left = redis.call('PTTL', key)
  indexTags(all, name, string.format('%d', now + left))
  local entry = redis.call('GET', key)
  local bodyAt = ${LEASED_BODY_AT} + #withLength(oldTags)
  local tagged = oldTags == '' and string.format('%x', tonumber(flags) + ${TAGS_FLAG}) or flags
  local head = generation .. tagged .. string.sub(entry, ${GENERATION_BYTES + 2}, ${LEASED_BODY_AT})
  redis.call('SET', key, head .. withLength(all) .. string.sub(entry, bodyAt + 1), 'PX', left)
  return true
end
local reply = {generation}
for i = 4, #KEYS do
  local token, name = ARGV[2 * i - 3], ARGV[2 * i - 2]
  local entry = header(KEYS[i])
  local isPlaceholder = isOneOf(entry.flags, '${PLACEHOLDER_FLAGS}')
  local isStale = isOneOf(entry.flags, '${GRACE_FLAGS}') and entry.expiry <= now
  local isFresh = isOneOf(entry.flags, '${VALUE_FLAGS}') and not isStale
  -- A lease never lasts longer, unless the server's clock was set back.
  local isHeld = (isPlaceholder or isStale) and entry.leaseExpiry > now and entry.leaseExpiry <= now + ${MAX_LEASE_SECONDS * 1000}
  local granted = isHeld and entry.token == token
  if not isFresh and not isHeld then
    granted = true
    local left = isStale and math.floor(redis.call('PTTL', KEYS[i]) / 1000) or 0
    if left > 0 and addTags(KEYS[i], name, entry.flags) then
      redis.call('SETRANGE', KEYS[i], ${LEASE_AT}, leaseFields(token, math.min(seconds, left)))
    else
      local oldTags = tagsOf(KEYS[i], entry.flags)
      local score = string.format('%d', now + ttl)
      redis.call('ZADD', KEYS[2], '-' .. score, name)
      redis.call('ZADD', KEYS[3], 0, name)
      indexTags(tags, name, score)
      local flags = tags == '' and '${PLACEHOLDER}' or '${TAGGED_PLACEHOLDER}'
      local fields = leaseFields(token, seconds) .. withLength(tags)
      local placeholder = generation .. flags .. string.rep('0', ${LEASE_AT - TTL_AT}) .. fields
      redis.call('SET', KEYS[i], placeholder, 'PX', string.format('%d', ttl))
      eachTag(oldTags, function(tag) if not hasTag(tags, tag) then unindex(tagName(tag, name)) end end)
    end
  end
  reply[#reply + 1] = granted and 1 or 0
  reply[#reply + 1] = redis.call('GET', KEYS[i])
end
local tagCount = 0
eachTag(tags, function() tagCount = tagCount + 1 end)
reap(${REAPED_PER_NAME} * (#KEYS - 3) * (1 + tagCount))
return reply
`);

/**
 * Ends a lease. KEYS[4]: the entry. ARGV: the token, the name. A placeholder is removed. A stale value remains, so that another lease can
 * be granted on it.
 */
export const release = script(`${NOW}${UNPACK}${REPAIR_INDEXES}${HEADER}${TAGS}${REAP}
local entry = header(KEYS[4])
if not isOneOf(entry.flags, '${LEASE_FLAGS}') or entry.token ~= ARGV[1] or entry.leaseExpiry == 0 then return 0 end
if not isOneOf(entry.flags, '${PLACEHOLDER_FLAGS}') then
  redis.call('SETRANGE', KEYS[4], ${LEASE_AT}, '${NO_LEASE}')
  return 1
end
local tags = tagsOf(KEYS[4], entry.flags)
redis.call('UNLINK', KEYS[4])
eachTag(tags, function(tag) unindex(tagName(tag, ARGV[2])) end)
unindex(ARGV[2])
${DELETE_IF_EMPTY}
return 1
`);

/**
 * Changes the TTL of a live entry. KEYS[4]: the entry. ARGV: the deadline as in `set`, the TTL in milliseconds, the encoded TTL, the
 * name. The grace stays as long as it was.
 *
 * Returns {1}, or {0} if there is no live entry. If the deadline has passed or is too far ahead, it changes nothing and returns the
 * server's time. An entry must never outlive its name in the expiry index, so a longer TTL is indexed first and a shorter one last.
 */
export const touch = script(`${NOW}${UNPACK}${REJECT_LATE}${REPAIR_INDEXES}${HEADER}${TAGS}
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
local tags = tagsOf(KEYS[4], entry.flags)
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

/** @param unlink Lua that removes the entries, and sets `live` to the number of live ones */
const removalScript = (unlink: string) =>
  script(`${NOW}${UNPACK}${REPAIR_INDEXES}${HEADER}${TAGS}${REAP}
local live = 0
${unlink}
redis.call('ZREM', KEYS[3], unpack(ARGV))
redis.call('ZREM', KEYS[2], unpack(ARGV))
${DELETE_IF_EMPTY}
return live
`);

/** Sets `live` to the number of live entries, and removes the entries. */
const UNLINK_COUNTED = `
local tagNames = {}
for i = 4, #KEYS do
  local head = redis.call('GETRANGE', KEYS[i], 0, ${GENERATION_BYTES})
  if string.sub(head, 1, ${GENERATION_BYTES}) == generation then
    local flags = string.sub(head, -1)
    if not isOneOf(flags, '${PLACEHOLDER_FLAGS}') then live = live + 1 end
    eachTag(tagsOf(KEYS[i], flags), function(tag) tagNames[#tagNames + 1] = tagName(tag, ARGV[i - 3]) end)
  end
end
redis.call('UNLINK', unpack(KEYS, 4))
unindexAll(tagNames)
`;

/**
 * Removes entries. KEYS from the 4th: the entries; ARGV: their names, in the same order. Returns the number of live ones. Placeholders and
 * entries of an earlier generation are not live, but are removed too.
 */
export const remove = removalScript(UNLINK_COUNTED);

/**
 * As `remove`, for names from an index: all of them are of the current generation, which need not be checked for each. If the shard has
 * placeholders or tags, the entries are checked.
 */
export const removeIndexed = removalScript(`
if generation and redis.call('ZCOUNT', KEYS[2], '-inf', -now) > 0 then
  ${UNLINK_COUNTED}
else
  local removed = redis.call('UNLINK', unpack(KEYS, 4))
  if generation then live = removed end
end
`);

/**
 * Removes the entries of a tag. KEYS from the 4th: the entries; ARGV: the tag, then the names of the keys, in the same order. Returns the number
 * of live entries that were removed. An entry that does not have the tag remains: it was set again without the tag, and only the name that
 * led to it is removed.
 */
export const removeTagged = script(`${NOW}${UNPACK}${REPAIR_INDEXES}${HEADER}${TAGS}${REAP}
local live = 0
local names = {}
for i = 4, #KEYS do
  local name = ARGV[i - 2]
  local flags = header(KEYS[i]).flags
  local tags = tagsOf(KEYS[i], flags)
  if hasTag(tags, ARGV[1]) then
    if not isOneOf(flags, '${PLACEHOLDER_FLAGS}') then live = live + 1 end
    redis.call('UNLINK', KEYS[i])
    names[#names + 1] = name
    eachTag(tags, function(tag) names[#names + 1] = tagName(tag, name) end)
  else
    names[#names + 1] = tagName(ARGV[1], name)
  end
end
unindexAll(names)
${DELETE_IF_EMPTY}
return live
`);

/**
 * Reads a page of a shard's names. ARGV: the start and the end of the range, in the syntax of ZRANGEBYLEX, and the size of the page.
 *
 * Every page comes from a complete index: one that was evicted since the last page is rebuilt, or belongs to a new generation, whose
 * entries were all set during the walk.
 */
export const readNames = script(`${NOW}${UNPACK}${REPAIR_INDEXES}
if not generation then return {} end
return redis.call('ZRANGEBYLEX', KEYS[3], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
`);

/**
 * Describes entries. KEYS from the 4th: the entries. Returns for each the remaining TTL in milliseconds, 0 for a stale value and -1 if there is
 * no value, and the tags with their separators.
 */
export const describeEntries = script(`${NOW}${UNPACK}${REPAIR_INDEXES}${HEADER}${TAGS}
local reply = {}
for i = 4, #KEYS do
  local entry = header(KEYS[i])
  local isValue = isOneOf(entry.flags, '${VALUE_FLAGS}')
  local left = isValue and math.max(0, entry.expiry - now) or -1
  reply[#reply + 1] = left
  reply[#reply + 1] = isValue and tagsOf(KEYS[i], entry.flags) or ''
end
return reply
`);

/**
 * Evicts entries of a tenant that is above its limits.
 *
 * KEYS from the 4th: the entries. ARGV: the number of entries to keep (empty: all), the bytes to free, the size of the next page, then name
 * and score of each entry. An entry that was set or touched since has another score, and remains.
 *
 * Returns the number of entries that were evicted, their bytes, then names and scores of the next page, which is empty if nothing more
 * must be evicted.
 */
export const evict = script(`${NOW}${UNPACK}${REPAIR_INDEXES}${HEADER}${TAGS}${REAP}
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
    eachTag(tagsOf(KEYS[i], header(KEYS[i]).flags), function(tag) names[#names + 1] = tagName(tag, name) end)
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
redis.call('ZADD', KEYS[2], string.format('%d', math.max(1, bound - ARGV[1] + ARGV[2])), '${BYTES_MEMBER}')
return 1
`);

/**
 * Takes requests from a token bucket, by the generic cell rate algorithm: the key contains the time at which the bucket will be full, in
 * microseconds. KEYS[1]: the bucket. ARGV: requests per second, the size of the bucket, the number of requests to take.
 *
 * They are allowed if one is left. More than are left are a debt, which delays the next ones: otherwise other requests would always take the
 * single ones, and those that count as several would never be allowed.
 *
 * Returns the time after which they are allowed (0: they are, and have been taken), the requests that are left, and the time until the
 * bucket is full; times in microseconds.
 */
export const takeRequests = script(`
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local perRequest = 1000000 / tonumber(ARGV[1])
local size = tonumber(ARGV[2]) * perRequest
-- A time too far ahead is from a larger bucket, or from a clock that was set back.
local full = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now), now + 2 * size)
local function left() return math.max(0, math.floor((size - full + now + 1) / perRequest)) end
-- Rounding must not reject a request that exactly fits.
local wait = math.ceil(full + perRequest - size - now - 1)
if wait > 0 then return {wait, left(), math.ceil(full - now)} end
full = full + tonumber(ARGV[3]) * perRequest
redis.call('SET', KEYS[1], string.format('%d', full), 'PX', math.ceil((full - now) / 1000))
return {0, left(), math.ceil(full - now)}
`);

/** Returns the lengths of entries in bytes; 0 for a missing one. KEYS: the entries. */
export const lengths = script(`
local reply = {}
for i = 1, #KEYS do reply[i] = redis.call('STRLEN', KEYS[i]) end
return reply
`);

/**
 * Makes all entries of a shard unreadable, and renames the expiry index so that the memory of the entries can be reclaimed.
 *
 * KEYS[4]: the index's new key. ARGV[1]: its TTL in milliseconds. Returns the number of live entries.
 */
export const clear = script(`${NOW}${UNPACK}${REPAIR_INDEXES}
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

/**
 * Counts a shard's live entries, and returns a sample of their names: evenly spread over the order of expiry, or all of them if there
 * are fewer.
 *
 * ARGV: the size of the sample, the number of entries up to which all are returned, and the position of each sampled name within its part of the order, from 0 to 1. Returns the number of
 * live entries, the bound of their bytes (0: unknown), then the sample.
 */
export const sample = script(`${NOW}${UNPACK}${REPAIR_INDEXES}
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
  local rank = string.format('%d', expired + math.floor((i + tonumber(ARGV[3])) * live / size))
  reply[i + 3] = redis.call('ZRANGE', KEYS[2], rank, rank)[1]
end
return reply
`);

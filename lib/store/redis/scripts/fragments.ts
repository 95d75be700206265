import { createHash } from 'node:crypto';
import {
  EXPIRY_AT,
  GENERATION_BYTES,
  LEASE_AT,
  LEASE_EXPIRY_AT,
  LEASED_BODY_AT,
  TAG_FLAGS,
  TAGS_LENGTH_BYTES,
} from '../entry.ts';

/**
 * All changes that must be atomic on the server, as Lua scripts for Dragonfly, Valkey and Redis.
 *
 * A shard without a generation has only misses, so a script that cannot be sure that the indexes are complete deletes the
 * generation. The server may crash or run out of memory between any two commands of a script. Therefore commands that make entries
 * unreadable come first, and commands that make entries readable come last, when the indexes already contain their names.
 *
 * While a slot of a cluster moves, its old owner rejects commands for keys that it does not have, also for a key that the script has just
 * deleted. A script therefore empties an entry that it writes again, and does not delete it. If it is interrupted then, an entry of zero
 * bytes remains: a miss, which counts as an entry until it expires. Only repairs of evicted meta keys delete first: a script that fails
 * there is sent again.
 *
 * KEYS contain every key that a script accesses. Unless stated otherwise, they begin with the shard's generation (1), expiry index (2)
 * and name index (3). The scripts use only what Lua 5.1 (Redis, Valkey) and 5.4 (Dragonfly) have in common. They format times with `%d`,
 * which requires whole numbers in Lua 5.4 and a server of 64 bits in Lua 5.1.
 */
export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

export function script(lua: string): Script {
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

export const UNPACK = `
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
export const DELETE_IF_EMPTY = `
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

/** Begins most scripts: sets `now`, `unpack` and `generation`, and repairs evicted meta keys. */
export const BEGIN = `${NOW}${UNPACK}${REPAIR_INDEXES}`;

/** As BEGIN, but first returns the server's time if the deadline in ARGV[1] has passed or is too far ahead. */
export const BEGIN_BEFORE_DEADLINE = `${NOW}${UNPACK}${REJECT_LATE}${REPAIR_INDEXES}`;

/** Gives the shard the generation in ARGV[2] if it has none. Needs EXTEND_META_KEYS. */
export const CREATE_GENERATION = `
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
export const REAP = `
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
  -- As text: Redis takes longer to format a number.
  local expiredFor = string.format('%d', now - ${REAP_GRACE_MS})
  local limit = math.min(count, ${MAX_REAPED}) + 2
  local ended = {}
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-' .. expiredFor, expiredFor, 'LIMIT', '0', limit)) do
    if string.byte(name) ~= 0 then ended[#ended + 1] = name end
  end
  unindexAll(ended)
end
`;

/** What `header` reads of an entry. Reading the tags with the header takes a third of the time of a second command. */
const HEAD_BYTES = 128;
const TAGS_AT = LEASED_BODY_AT + TAGS_LENGTH_BYTES;

/** Functions that read the header of an entry. Lua counts from 1. */
export const HEADER = `
local function header(key)
  local text = redis.call('GETRANGE', key, 0, ${HEAD_BYTES - 1})
  if not generation or string.sub(text, 1, ${GENERATION_BYTES}) ~= generation then return {flags = ''} end
  return {
    text = text,
    flags = string.sub(text, ${GENERATION_BYTES + 1}, ${GENERATION_BYTES + 1}),
    expiry = tonumber(string.sub(text, ${EXPIRY_AT + 1}, ${LEASE_AT})) or 0,
    token = string.sub(text, ${LEASE_AT + 1}, ${LEASE_EXPIRY_AT}),
    leaseExpiry = tonumber(string.sub(text, ${LEASE_EXPIRY_AT + 1}, ${LEASE_EXPIRY_AT + 13})) or 0
  }
end
local function isOneOf(flags, set) return flags ~= '' and string.find(set, flags, 1, true) end
`;

/**
 * Functions that read the tags of an entry. `tagsOf` returns them with their separators, given what `header` has returned;
 * `eachTag` calls a function with each. `tagName` is
 * the name under which the indexes contain a tag of a key. Needs HEADER.
 */
export const TAGS = `
local function tagsOf(key, entry)
  if not isOneOf(entry.flags, '${TAG_FLAGS}') then return '' end
  local last = ${TAGS_AT} + (tonumber(string.sub(entry.text, ${LEASED_BODY_AT + 1}, ${TAGS_AT})) or 0)
  if last <= ${HEAD_BYTES} then return string.sub(entry.text, ${TAGS_AT + 1}, last) end
  return redis.call('GETRANGE', key, ${TAGS_AT}, last - 1)
end
local function eachTag(tags, visit)
  for tag in string.gmatch(tags, '[^\\1]+') do visit(tag) end
end
local function tagName(tag, name) return '\\1' .. tag .. '\\1' .. name end
local function hasTag(tags, tag)
  return string.find('\\1' .. tags .. '\\1', '\\1' .. tag .. '\\1', 1, true)
end
-- One command for each index: a call takes longer than what it does.
local function indexTags(tags, name, score)
  if tags == '' then return end
  local inExpiry, inNames = {}, {}
  local negative = '-' .. score
  eachTag(tags, function(tag)
    local at = #inNames + 1
    inExpiry[at], inNames[at] = negative, '0'
    inExpiry[at + 1] = tagName(tag, name)
    inNames[at + 1] = inExpiry[at + 1]
  end)
  redis.call('ZADD', KEYS[2], unpack(inExpiry))
  redis.call('ZADD', KEYS[3], unpack(inNames))
end
`;

/** Extends the lives of the meta keys to those of entries that live for `ttl` milliseconds. */
export const EXTEND_META_KEYS = `
local metaTtl = ttl + ${REAP_GRACE_MS}
if generation and redis.call('PTTL', KEYS[1]) < ttl then
  for i = 3, 1, -1 do redis.call('PEXPIRE', KEYS[i], metaTtl) end
end
`;

/**
 * A member of the expiry index, whose score is an upper bound of the bytes of the shard's entries: their bytes at the last measurement, and
 * all that was written since. Only writers with a limit of bytes maintain it. Sorts behind the sentinel, and like it among expired names.
 */
export const BYTES_MEMBER = '\\0~bytes';

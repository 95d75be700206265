import { createHash } from 'node:crypto';
import { GENERATION_BYTES } from './generation.ts';

/**
 * Everything that must happen at once on the server, as Lua that Dragonfly, Valkey and Redis all run.
 *
 * The one rule: whenever in doubt, drop the generation. A shard without one has only misses. And as a script may be cut short
 * between any two of its commands, by a server that runs out of memory or dies: whatever makes entries unreadable comes first,
 * and whatever makes one readable comes last, when the indexes already name it.
 *
 * KEYS name every key that is touched; unless a script says otherwise they begin with the shard's generation, expiry index
 * and name index. Nothing relies on a library or a version of Lua (5.1 in Redis and Valkey, 5.4 in Dragonfly).
 */
export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

function script(lua: string): Script {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

/** Names stay in the indexes for so long after their time, in milliseconds, since a replica's clock may disagree. */
export const REAP_GRACE_MS = 60_000;

/** How many names whose time is up are removed for each entry set. More than one: an index shrinks faster than it grows. */
export const REAPED_PER_SET = 16;

/**
 * How far ahead a set's deadline may lie, in milliseconds. A deadline that lies further ahead comes from a clock that was changed since
 * its sender learned the server's time: the set could apply long after its caller was answered with a failure. Twice as much as an
 * attempt has with the longest `BACKEND_TIMEOUT_MS`, since the nodes of a cluster have clocks of their own.
 */
const DEADLINE_AHEAD_MS = 10_000;

/** An index of more names is not made anew from the other: the server answers nobody else meanwhile, which is 1 µs a name. */
const REMADE_AT_MOST = 20_000;

/** Names that one command adds to an index that is made anew: Lua passes some thousands of arguments at most. */
const REMADE_AT_ONCE = 1000;

const NOW = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
`;

const UNPACK = `
local unpack = table.unpack or unpack
`;

/**
 * Sets `generation` to the shard's, or to nil where it has none, after it has mended what an engine short of memory has evicted.
 *
 * Each index holds, from its first moment on, the generation as a name that no key can have: its sentinel. An index without it
 * has been evicted, and one with it names every entry of that generation. So the generation and either index can be made from
 * the other index, which gets its sentinel last: one whose making was cut short counts as evicted. Where both are gone, or the
 * one that is left is too large, what they named could not be found to be invalidated, and the generation goes too.
 *
 * When an entry expires only its expiry index knows: one that is made from the name index takes the latest time there may be.
 */
const MEND = `
local generation = redis.call('GET', KEYS[1])
local known = generation
if not generation then
  local sentinel = redis.call('ZRANGEBYLEX', KEYS[3], '[\\0', '(\\1')[1] or redis.call('ZRANGEBYSCORE', KEYS[2], 0, 0)[1]
  generation = sentinel and string.sub(sentinel, 2)
end
if generation then
  local sentinel = '\\0' .. generation
  local timed = redis.call('ZSCORE', KEYS[2], sentinel)
  local named = redis.call('ZSCORE', KEYS[3], sentinel)
  local most = ${REMADE_AT_MOST}
  if timed and not named and redis.call('ZCARD', KEYS[2]) <= most then
    redis.call('ZUNIONSTORE', KEYS[3], 1, KEYS[2], 'WEIGHTS', 0)
    redis.call('PEXPIRE', KEYS[3], redis.call('PTTL', KEYS[2]))
  elseif named and not timed and redis.call('ZCARD', KEYS[3]) <= most then
    local life = redis.call('PTTL', KEYS[3])
    local all = redis.call('ZRANGEBYLEX', KEYS[3], '[\\1', '+')
    redis.call('UNLINK', KEYS[2])
    for first = 1, #all, ${REMADE_AT_ONCE} do
      local page = {}
      for i = first, math.min(first + ${REMADE_AT_ONCE} - 1, #all) do
        page[#page + 1] = now + life
        page[#page + 1] = all[i]
      end
      redis.call('ZADD', KEYS[2], unpack(page))
    end
    redis.call('ZADD', KEYS[2], 0, sentinel)
    redis.call('PEXPIRE', KEYS[2], life)
  elseif not timed or not named then
    redis.call('DEL', KEYS[1])
    redis.call('UNLINK', KEYS[2], KEYS[3])
    generation = nil
  end
  if generation and not known then
    redis.call('SET', KEYS[1], generation, 'PX', math.max(1, redis.call('PTTL', KEYS[3])))
  end
end
`;

/** Leaves no keys behind for a shard that has no live entry. */
const DROP_IF_EMPTY = `
if redis.call('ZCOUNT', KEYS[2], now, '+inf') == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('UNLINK', KEYS[2], KEYS[3])
end
`;

/**
 * Writes entries.
 *
 * KEYS from the 4th: the entries, then those of names that are to be looked at. ARGV: the deadline in milliseconds, a new
 * generation in case one is needed, the number of entries to write, for how many further names it is asked, and where among
 * those of the expiry index whose time is not up they are to begin, from 0 to 1; then for each entry its TTL in milliseconds, its
 * name, and its head and body, between which the time of its expiry goes; then the names that are to be looked at.
 *
 * Returns how many of these were evicted and so dropped, and the further names. If it is past the deadline, or the deadline is
 * further ahead than any can be, it writes nothing and returns the server's time.
 */
export const set = script(`${NOW}${UNPACK}
local ahead = tonumber(ARGV[1]) - now
if ahead < 0 or ahead > ${DEADLINE_AHEAD_MS} then return now end
${MEND}
local last = 3 + tonumber(ARGV[3])
local ttl = 0
for i = 4, last do ttl = math.max(ttl, tonumber(ARGV[4 * i - 10])) end
local life = ttl + ${REAP_GRACE_MS}
if not generation then
  generation = ARGV[2]
  redis.call('SET', KEYS[1], generation, 'PX', life)
  for i = 2, 3 do
    redis.call('UNLINK', KEYS[i])
    redis.call('ZADD', KEYS[i], 0, '\\0' .. generation)
    redis.call('PEXPIRE', KEYS[i], life)
  end
elseif redis.call('PTTL', KEYS[1]) < ttl then
  redis.call('PEXPIRE', KEYS[2], life)
  redis.call('PEXPIRE', KEYS[3], life)
  redis.call('PEXPIRE', KEYS[1], life)
end
for i = 4, last do
  local at = 4 * i - 10
  local expiry = string.format('%013.0f', now + tonumber(ARGV[at]))
  redis.call('ZADD', KEYS[2], expiry, ARGV[at + 1])
  redis.call('ZADD', KEYS[3], 0, ARGV[at + 1])
  redis.call('SET', KEYS[i], generation .. ARGV[at + 2] .. expiry .. ARGV[at + 3], 'PX', ARGV[at])
end
local function drop(name)
  redis.call('ZREM', KEYS[3], name)
  redis.call('ZREM', KEYS[2], name)
end
local most = ${REAPED_PER_SET} * (last - 3)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(0', now - ${REAP_GRACE_MS}, 'LIMIT', 0, most)) do
  drop(name)
end
local gone = 0
for i = last + 1, #KEYS do
  local name = ARGV[#ARGV - #KEYS + i]
  -- One whose time is up was not evicted, and stays for the grace that it has.
  if redis.call('EXISTS', KEYS[i]) == 0 and (tonumber(redis.call('ZSCORE', KEYS[2], name)) or 0) > now then
    gone = gone + 1
    drop(name)
  end
end
local further = tonumber(ARGV[4])
if further == 0 then return {gone} end
local over = redis.call('ZCOUNT', KEYS[2], '-inf', now)
local from = over + math.floor((redis.call('ZCARD', KEYS[2]) - over) * tonumber(ARGV[5]))
return {gone, unpack(redis.call('ZRANGE', KEYS[2], from, from + further - 1))}
`);

/** @param unlink removes the entries, and sets `live` to how many of them were */
const removing = (unlink: string) =>
  script(`${NOW}${UNPACK}${MEND}
local live = 0
${unlink}
redis.call('ZREM', KEYS[3], unpack(ARGV))
redis.call('ZREM', KEYS[2], unpack(ARGV))
${DROP_IF_EMPTY}
return live
`);

/**
 * Removes entries. KEYS from the 4th: the entries; ARGV: their names, in the same order. Returns how many of them were live.
 *
 * What lies there of an earlier generation, or without one, is not live, but removed all the same.
 */
export const remove = removing(`
for i = 4, #KEYS do
  if generation and redis.call('GETRANGE', KEYS[i], 0, ${GENERATION_BYTES - 1}) == generation then live = live + 1 end
end
redis.call('UNLINK', unpack(KEYS, 4))
`);

/** The same for names that were read from an index, which holds none of an earlier generation: a look less for each. */
export const removeIndexed = removing(`
local removed = redis.call('UNLINK', unpack(KEYS, 4))
if generation then live = removed end
`);

/**
 * A page of the names of a shard. ARGV: where it begins and ends, as ZRANGEBYLEX takes them, and how many names it may hold.
 *
 * Being one script, every page comes from an index that names everything: one that was lost since the page before it has been
 * made anew from the other index, or is that of a new generation, under which there is nothing left to look for.
 */
export const names = script(`${NOW}${UNPACK}${MEND}
if not generation then return {} end
return redis.call('ZRANGEBYLEX', KEYS[3], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
`);

/**
 * Makes all of a shard's entries unreadable, and puts the list of them aside so that their memory can be given back.
 *
 * KEYS[4]: where to put it. ARGV[1]: how long it may lie there, in milliseconds. Returns how many entries were live.
 */
export const clear = script(`${NOW}${UNPACK}${MEND}
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
 * Gives back the memory of entries that a clear has made unreadable, but for those written anew since: these have the
 * current generation.
 *
 * KEYS: the shard's generation, the list put aside, the entries. ARGV: how many names the next page may hold, then these
 * entries' names. Returns the next page of names.
 */
export const sweep = script(`${UNPACK}
local generation = redis.call('GET', KEYS[1])
for i = 3, #KEYS do
  if not generation or redis.call('GETRANGE', KEYS[i], 0, ${GENERATION_BYTES - 1}) ~= generation then
    redis.call('UNLINK', KEYS[i])
  end
end
if #ARGV > 1 then redis.call('ZREM', KEYS[2], unpack(ARGV, 2)) end
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '+inf', 'LIMIT', 0, ARGV[1])
`);

/**
 * How many entries of a shard are live, and the names of some of them: spread evenly over the order in which they expire, all
 * of them if there are no more than that.
 *
 * ARGV: how many names at most, and from 0 to 1 where in its part of the order each of them stands. Returns the number, then the names.
 */
export const sample = script(`${NOW}${UNPACK}${MEND}
if not generation then return {0} end
local live = redis.call('ZCOUNT', KEYS[2], now, '+inf')
local before = redis.call('ZCARD', KEYS[2]) - live
local most = math.min(live, tonumber(ARGV[1]))
local answer = {live}
for i = 0, most - 1 do
  local rank = string.format('%.0f', before + math.floor((i + tonumber(ARGV[2])) * live / most))
  answer[i + 2] = redis.call('ZRANGE', KEYS[2], rank, rank)[1]
end
return answer
`);

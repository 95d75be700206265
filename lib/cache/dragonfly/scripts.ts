import { createHash } from 'node:crypto';

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

/** The length of a generation in bytes; an entry begins with its own. */
export const GENERATION_BYTES = 8;

/** Names stay in the indexes for so long after their time, in milliseconds, since a replica's clock may disagree. */
export const REAP_GRACE_MS = 60_000;

/** How many names whose time is up a set removes. More than one, so that an index shrinks faster than it grows. */
export const REAPED_PER_SET = 16;

const NOW = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
`;

const UNPACK = `
local unpack = table.unpack or unpack
`;

/** Leaves no keys behind for a shard that has no live entry. */
const DROP_IF_EMPTY = `
if redis.call('ZCOUNT', KEYS[2], now, '+inf') == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('UNLINK', KEYS[2], KEYS[3])
end
`;

/**
 * Writes an entry.
 *
 * KEYS[4]: the entry. ARGV: the deadline and the TTL in milliseconds, a new generation in case one is needed, the key's name,
 * and the entry's head and body, between which the time of its expiry goes. Returns 0, or the server's time if that is past
 * the deadline; then nothing was written.
 *
 * Each index always holds an empty name, its sentinel. An index without it has been evicted and made anew, so that the
 * entries it used to list could not be found to be invalidated: they become unreadable here.
 */
export const set = script(`${NOW}
if now > tonumber(ARGV[1]) then return now end
local ttl = tonumber(ARGV[2])
local life = ttl + ${REAP_GRACE_MS}
local generation = redis.call('GET', KEYS[1])
if not generation or not redis.call('ZSCORE', KEYS[2], '') or not redis.call('ZSCORE', KEYS[3], '') then
  generation = ARGV[3]
  redis.call('SET', KEYS[1], generation, 'PX', life)
  redis.call('UNLINK', KEYS[2], KEYS[3])
  redis.call('ZADD', KEYS[2], 0, '')
  redis.call('PEXPIRE', KEYS[2], life)
  redis.call('ZADD', KEYS[3], 0, '')
  redis.call('PEXPIRE', KEYS[3], life)
elseif redis.call('PTTL', KEYS[1]) < ttl then
  redis.call('PEXPIRE', KEYS[2], life)
  redis.call('PEXPIRE', KEYS[3], life)
  redis.call('PEXPIRE', KEYS[1], life)
end
local expiry = string.format('%013.0f', now + ttl)
redis.call('ZADD', KEYS[2], expiry, ARGV[4])
redis.call('ZADD', KEYS[3], 0, ARGV[4])
redis.call('SET', KEYS[4], generation .. ARGV[5] .. expiry .. ARGV[6], 'PX', ttl)
local reaped = redis.call('ZRANGEBYSCORE', KEYS[2], '(0', now - ${REAP_GRACE_MS}, 'LIMIT', 0, ${REAPED_PER_SET})
for _, name in ipairs(reaped) do
  redis.call('ZREM', KEYS[3], name)
  redis.call('ZREM', KEYS[2], name)
end
return 0
`);

/**
 * Removes entries. KEYS from the 4th: the entries; ARGV: their names, in the same order. Returns how many of them were live.
 *
 * A shard without a generation has no live entries, but what lies there is removed all the same.
 */
export const remove = script(`${NOW}${UNPACK}
local generation = redis.call('GET', KEYS[1])
local removed = redis.call('UNLINK', unpack(KEYS, 4))
redis.call('ZREM', KEYS[3], unpack(ARGV))
redis.call('ZREM', KEYS[2], unpack(ARGV))
${DROP_IF_EMPTY}
return generation and removed or 0
`);

/**
 * A page of the names of a shard. ARGV: where it begins and ends, as ZRANGEBYLEX takes them, and how many names it may hold.
 *
 * Being one script, every page shows that the index has been whole ever since its first one was read: an index that was lost
 * comes back only with a new generation, under which there is nothing left to look for.
 */
export const names = script(`
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
if not redis.call('ZSCORE', KEYS[2], '') or not redis.call('ZSCORE', KEYS[3], '') then
  redis.call('DEL', KEYS[1])
  redis.call('UNLINK', KEYS[2], KEYS[3])
  return {}
end
return redis.call('ZRANGEBYLEX', KEYS[3], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
`);

/**
 * Makes all of a shard's entries unreadable, and puts the list of them aside so that their memory can be given back.
 *
 * KEYS[4]: where to put it. ARGV[1]: how long it may lie there, in milliseconds. Returns how many entries were live.
 */
export const clear = script(`${NOW}
local live = 0
if redis.call('EXISTS', KEYS[1]) == 1 then live = redis.call('ZCOUNT', KEYS[2], now, '+inf') end
redis.call('DEL', KEYS[1])
redis.call('UNLINK', KEYS[3])
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RENAME', KEYS[2], KEYS[4])
  redis.call('PEXPIRE', KEYS[4], ARGV[1])
  redis.call('ZREM', KEYS[4], '')
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

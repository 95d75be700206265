import { MAX_LEASE_SECONDS, MAX_STORED_TAGS } from '../../lease.ts';
import {
  GENERATION_BYTES,
  GRACE_FLAGS,
  LEASE_AT,
  LEASE_FLAGS,
  LEASED_BODY_AT,
  NO_LEASE,
  PLACEHOLDER,
  PLACEHOLDER_FLAGS,
  TAGGED_PLACEHOLDER,
  TAGS_FLAG,
  TTL_AT,
  VALUE_FLAGS,
} from '../entry.ts';
import {
  BEGIN,
  BEGIN_BEFORE_DEADLINE,
  CREATE_GENERATION,
  DELETE_IF_EMPTY,
  EXTEND_META_KEYS,
  HEADER,
  REAP,
  REAPED_PER_NAME,
  script,
  TAGS,
} from './fragments.ts';

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
export const lease = script(`${BEGIN_BEFORE_DEADLINE}${HEADER}${TAGS}${REAP}
local seconds = tonumber(ARGV[3])
local ttl = seconds * 1000
local tags = ARGV[4]
${EXTEND_META_KEYS}
${CREATE_GENERATION}
local function withLength(tags) return tags == '' and '' or string.format('%04d', #tags) .. tags end
local function leaseFields(token, seconds)
  return token .. string.format('%013d', now + seconds * 1000) .. string.format('%03d', seconds)
end
-- Adds the tags of the lease to a stale value, whose own tags remain: an invalidation of any of them must end the lease. Leases with other
-- tags each time would add without an end: false if there are too many.
local function addTags(key, name, flags, oldTags)
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
    local oldTags = tagsOf(KEYS[i], entry)
    if left > 0 and addTags(KEYS[i], name, entry.flags, oldTags) then
      redis.call('SETRANGE', KEYS[i], ${LEASE_AT}, leaseFields(token, math.min(seconds, left)))
    else
      local score = string.format('%d', now + ttl)
      -- A value whose name has an earlier end than itself could be read when no walk finds it.
      if isStale then redis.call('SET', KEYS[i], '', 'PX', string.format('%d', ttl)) end
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
export const release = script(`${BEGIN}${HEADER}${TAGS}${REAP}
local entry = header(KEYS[4])
if not isOneOf(entry.flags, '${LEASE_FLAGS}') or entry.token ~= ARGV[1] or entry.leaseExpiry == 0 then return 0 end
if not isOneOf(entry.flags, '${PLACEHOLDER_FLAGS}') then
  redis.call('SETRANGE', KEYS[4], ${LEASE_AT}, '${NO_LEASE}')
  return 1
end
local tags = tagsOf(KEYS[4], entry)
redis.call('UNLINK', KEYS[4])
eachTag(tags, function(tag) unindex(tagName(tag, ARGV[2])) end)
unindex(ARGV[2])
${DELETE_IF_EMPTY}
return 1
`);

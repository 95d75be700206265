import { PLACEHOLDER_FLAGS } from '../entry.ts';
import { BEGIN, DELETE_IF_EMPTY, HEADER, REAP, script, TAGS } from './fragments.ts';

/** @param unlink Lua that removes the entries, and sets `live` to the number of live ones */
const removalScript = (unlink: string) =>
  script(`${BEGIN}${HEADER}${TAGS}${REAP}
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
  local entry = header(KEYS[i])
  if entry.flags ~= '' then
    if not isOneOf(entry.flags, '${PLACEHOLDER_FLAGS}') then live = live + 1 end
    eachTag(tagsOf(KEYS[i], entry), function(tag) tagNames[#tagNames + 1] = tagName(tag, ARGV[i - 3]) end)
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
export const removeTagged = script(`${BEGIN}${HEADER}${TAGS}${REAP}
local live = 0
local names = {}
for i = 4, #KEYS do
  local name = ARGV[i - 2]
  local entry = header(KEYS[i])
  local tags = tagsOf(KEYS[i], entry)
  if hasTag(tags, ARGV[1]) then
    if not isOneOf(entry.flags, '${PLACEHOLDER_FLAGS}') then live = live + 1 end
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

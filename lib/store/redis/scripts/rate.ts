import { script } from './fragments.ts';

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
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {0, left(), math.ceil(full - now)}
`);

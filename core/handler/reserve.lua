-- reserve: draw sequences, each above all that were ever drawn. They are never below the clock, so this holds also where
-- Redis has lost its memory.
--   KEYS[1]  the last sequence
--   ARGV[1]  how many
-- Returns the first. Microseconds since 1970 fit a Lua number exactly until the year 2255.
local time = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
local first = math.max(last, time[1] * 1000000 + time[2]) + 1
redis.call('SET', KEYS[1], string.format('%.0f', first + ARGV[1] - 1))
return string.format('%.0f', first)

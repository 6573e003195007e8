-- draw: so many new sequences, each above all that were ever drawn; returns the first. They are never below the clock, so this holds
-- also where Redis has lost its memory. Microseconds since 1970 fit a Lua number exactly until the year 2255. Its text stands before
-- other scripts.
--   counter  the last sequence that was drawn
--   count    how many
local function draw(counter, count)
    local time = redis.call('TIME')
    local last = tonumber(redis.call('GET', counter) or '0')
    local first = math.max(last, time[1] * 1000000 + time[2]) + 1
    redis.call('SET', counter, string.format('%.0f', first + count - 1))
    return string.format('%.0f', first)
end

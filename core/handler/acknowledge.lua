-- acknowledge: a queue has a baseline's alerts up to a sequence. Saying so again, or later, changes nothing.
--   KEYS[1]  the baseline
--   KEYS[2]  how many alerts wait, by queue; its name begins those of places.lua, whose text stands before this
--   ARGV[1]  the queue
--   ARGV[2]  the sequence
--   ARGV[3]  how long redeliveries of a forgotten entity are recognised, ms
-- Returns how many alerts it took off.
local call = redis.call
local baseline, counts, queue = KEYS[1], KEYS[2], ARGV[1]
local waiting, own = places(counts, queue, baseline)

local taken = call('ZREMRANGEBYSCORE', own, '-inf', ARGV[2])
if taken == 0 then
    return 0
end
local oldest = call('ZRANGE', own, 0, 0)
if oldest[1] then
    call('ZADD', waiting, string.match(oldest[1], '^%d+'), baseline)
else
    call('ZREM', waiting, baseline)
end
if call('HINCRBY', counts, queue, -taken) <= 0 then
    call('HDEL', counts, queue)
end
if call('EXISTS', baseline) == 1 then
    call('HDEL', baseline, 'refused:' .. queue)
    if call('HINCRBY', baseline, 'unsent', -taken) <= 0 then
        call('HDEL', baseline, 'unsent')
        if call('HGET', baseline, 'state') == '' then
            call('PEXPIRE', baseline, ARGV[3])
        end
    end
end
return taken

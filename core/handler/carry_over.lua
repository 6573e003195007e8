-- carry_over: put the alerts that an earlier version of rtp kept within a baseline where alerts wait now.
--   KEYS[1]  the baseline
--   KEYS[2]  how many alerts wait, by queue; its name begins those of places.lua, whose text stands before this
--   KEYS[3]  sorted set of the baselines that still keep such alerts
--   ARGV[1]  the field `pending` as it was read; empty: there is none
--   ARGV[2]  when the oldest was made, microseconds
--   ARGV[3]  how long redeliveries of a forgotten entity are recognised, ms
--   ARGV[4..] for each alert its queue, its sequence, and itself
-- Returns 1, or 0 where the field is another one by now.
local call = redis.call
local baseline, counts, earlier = KEYS[1], KEYS[2], KEYS[3]

if (call('HGET', baseline, 'pending') or '') ~= ARGV[1] then
    return 0
end
call('ZREM', earlier, baseline)
if ARGV[1] == '' then
    return 1
end
for i = 4, #ARGV, 3 do
    local queue = ARGV[i]
    local waiting, own = places(counts, queue, baseline)
    call('ZADD', own, ARGV[i + 1], ARGV[2] .. ' ' .. ARGV[i + 2])
    call('ZADD', waiting, ARGV[2], baseline)
    call('HINCRBY', counts, queue, 1)
    call('HINCRBY', baseline, 'unsent', 1)
end
call('HDEL', baseline, 'pending', 'refused')
-- Whoever has read the baseline before does not know of these alerts, and reads it again.
call('HINCRBY', baseline, 'version', 1)
if #ARGV == 3 and call('HGET', baseline, 'state') == '' then
    call('PEXPIRE', baseline, ARGV[3])
end
return 1

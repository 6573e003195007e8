-- acknowledge: SQS has all pending events of a baseline, as of the version that was written with them.
--   KEYS[1]  the baseline
--   KEYS[2]  sorted set of baselines with events that SQS has not got
--   ARGV[1]  the version
--   ARGV[2]  how long redeliveries of a forgotten entity are recognised, ms
-- Returns 1, or 0 where the version is another one: its writer sends all events once more, and acknowledges.
local call = redis.call
if call('HGET', KEYS[1], 'version') ~= ARGV[1] then
    return 0
end
call('HDEL', KEYS[1], 'pending', 'refused')
call('ZREM', KEYS[2], KEYS[1])
if call('HGET', KEYS[1], 'state') == '' then
    call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1

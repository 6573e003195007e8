-- share: a process says that it is there, and takes, keeps or gives back its part of what there is to do.
--   KEYS[1]   the processes that share the work, by when each is taken for gone
--   KEYS[2..] the lease of each piece of work
--   ARGV[1]   the token of this process
--   ARGV[2]   how long a lease lasts, ms
-- Returns for each piece: 1 it is this process's, 0 it is not, 2 it is, and another process should have it as soon as it is let go.
local call = redis.call
local workers, token, lasts = KEYS[1], ARGV[1], tonumber(ARGV[2])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
call('ZREMRANGEBYSCORE', workers, '-inf', now)
call('ZADD', workers, now + lasts, token)
call('PEXPIRE', workers, 10 * lasts)

local most, had, answers = math.ceil((#KEYS - 1) / call('ZCARD', workers)), 0, {}
for i = 2, #KEYS do
    answers[i - 1] = 0
    if call('GET', KEYS[i]) == token then
        call('PEXPIRE', KEYS[i], lasts)
        had = had + 1
        answers[i - 1] = had <= most and 1 or 2
    end
end
for i = 2, #KEYS do
    if had < most and call('SET', KEYS[i], token, 'NX', 'PX', lasts) then
        had = had + 1
        answers[i - 1] = 1
    end
end
return answers

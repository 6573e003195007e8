-- put: alerts into the outbox of each destination that is to be told, once for each event; with them the entries of rtp's stream that
-- they were taken from are acknowledged.
--   KEYS[1]   the ids of events that were put, by when
--   KEYS[2]   rtp's stream
--   KEYS[3]   the lease of whoever takes from it
--   KEYS[4..] the outboxes
--   ARGV[1]   how long an id is remembered, ms
--   ARGV[2]   how many are remembered at most
--   ARGV[3]   the token of the lease; empty: the alerts are from elsewhere
--   ARGV[4]   the consumer group
--   ARGV[5]   the ids of its entries, with spaces between
--   ARGV[6..] of each alert: the event's id, the event, the numbers of its outboxes from 1, with spaces between
-- Returns how many events were new. Where the lease is another's, it returns -1 and does nothing.
local call = redis.call
local seen, token = KEYS[1], ARGV[3]
if token ~= '' and call('GET', KEYS[3]) ~= token then
    return -1
end
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local new = 0
for i = 6, #ARGV, 3 do
    if call('ZADD', seen, 'NX', now, ARGV[i]) == 1 then
        new = new + 1
        for number in string.gmatch(ARGV[i + 2], '%d+') do
            call('XADD', KEYS[3 + number], '*', 'event', ARGV[i + 1])
        end
    end
end
call('ZREMRANGEBYSCORE', seen, '-inf', now - ARGV[1])
call('ZREMRANGEBYRANK', seen, 0, -1 - ARGV[2])
for entry in string.gmatch(ARGV[5], '%S+') do
    call('XACK', KEYS[2], ARGV[4], entry)
end
return new

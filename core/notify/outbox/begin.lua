-- begin: a message is about to be sent. What is noted here outlives whoever sends it.
--   KEYS[1]   the lease of the destination
--   KEYS[2]   its outbox
--   KEYS[3]   how often each of its alerts was tried
--   KEYS[4]   how it stands
--   ARGV[1]   the token of the lease
--   ARGV[2]   when all of the destination's budget is back, now that this message is spent
--   ARGV[3..] the places of the message's alerts
-- Returns for each alert which try this is; 0 where it is in the outbox no more: whoever had the lease before has told it after all.
-- Where the lease is another's, it returns nothing and does nothing.
local call = redis.call
if call('GET', KEYS[1]) ~= ARGV[1] then
    return {}
end
local tries, is_any = {}, false
for i = 3, #ARGV do
    local place = ARGV[i]
    tries[i - 2] = 0
    if call('XRANGE', KEYS[2], place, place)[1] then
        tries[i - 2] = call('HINCRBY', KEYS[3], place, 1)
        is_any = true
    end
end
if is_any then
    call('HSET', KEYS[4], 'spent_until', ARGV[2])
end
return tries

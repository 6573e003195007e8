-- revive: a dead alert waits again, behind all that waits for its destination.
--   KEYS[1]  what can never be told
--   KEYS[2]  the outbox of its destination
--   ARGV[1]  the letter's place
-- Returns 1, or 0 where the letter is no more.
local call = redis.call
local found = call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not found then
    return 0
end
for i = 1, #found[2], 2 do
    if found[2][i] == 'event' then
        call('XADD', KEYS[2], '*', 'event', found[2][i + 1])
    end
end
call('XDEL', KEYS[1], ARGV[1])
return 1

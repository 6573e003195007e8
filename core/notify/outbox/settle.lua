-- settle: what came of a message.
--   KEYS[1]   the lease of the destination
--   KEYS[2]   its outbox
--   KEYS[3]   how often each of its alerts was tried
--   KEYS[4]   how it stands
--   KEYS[5]   what can never be told
--   ARGV[1]   the token of the lease
--   ARGV[2]   why the alerts are dead, and the destination's name: JSON; empty: they are not
--   ARGV[3]   how many dead ones are kept
--   ARGV[4]   what to add to how it stands, JSON
--   ARGV[5]   what to note there, JSON
--   ARGV[6..] the places of the alerts that are told, or dead; none where they are to be tried again
-- Returns 1. Where the lease is another's, it returns -1 and does nothing; but what was told is noted whoever has the lease.
local call = redis.call
local dead = ARGV[2] ~= '' and cjson.decode(ARGV[2])
local is_told = not dead and #ARGV > 5
if not is_told and call('GET', KEYS[1]) ~= ARGV[1] then
    return -1
end
for i = 6, #ARGV do
    local place = ARGV[i]
    local found = dead and call('XRANGE', KEYS[2], place, place)[1]
    if found then
        call('XADD', KEYS[5], 'MAXLEN', ARGV[3], '*', 'destination', dead.destination, 'reason', dead.reason,
            'tries', call('HGET', KEYS[3], place) or '0', 'event', found[2][2])
    end
    call('XDEL', KEYS[2], place)
    call('HDEL', KEYS[3], place)
end
for field, number in pairs(cjson.decode(ARGV[4])) do
    call('HINCRBY', KEYS[4], field, number)
end
for field, value in pairs(cjson.decode(ARGV[5])) do
    call('HSET', KEYS[4], field, value)
end
return 1

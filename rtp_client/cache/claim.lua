-- claim: let one reader fill an entry that is not there. The other readers wait for it.
--   KEYS[1]   the entry
--   ARGV[1]   the reader's token
--   ARGV[2]   for how long the claim holds, milliseconds
-- Returns 0 where the entry is there by now, 1 where the reader is to fill it, 2 where another one does.
local call = redis.call
local kind = call('TYPE', KEYS[1])['ok']
if kind ~= 'hash' and kind ~= 'none' then
    call('DEL', KEYS[1])  -- somebody put a value of another type under a name of rtp's
end
if call('HEXISTS', KEYS[1], 'as_of') == 1 or call('HEXISTS', KEYS[1], 'sequence') == 1 then
    return 0
end
if call('HSETNX', KEYS[1], 'claim', ARGV[1]) == 0 then
    return 2
end
call('PEXPIRE', KEYS[1], ARGV[2])
return 1

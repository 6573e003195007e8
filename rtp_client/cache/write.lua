-- write: put a value that was read from a table into an entry, if the entry is still the one that was seen before that.
--   KEYS[1]     the entry
--   ARGV[1]     the field that tells: `claim`, for an entry that is not there; `sequence`, for one that is
--   ARGV[2]     what it held before the table was read
--   ARGV[3]     time to live, milliseconds; 0 leaves it as it is
--   ARGV[4, 5]  as_of, and when the table was read: RFC 3339, so that comparing text compares times
--   ARGV[6..]   more fields, each with its value
-- Returns 1 where it wrote, 0 where it did not. Whatever delivers an event removes a claim and changes the sequence
-- (core/sinks/deliver.lua). So what is written was read after the newest event that Redis has, and no event is ever lost to
-- a slow fill: not even one that was delivered and has left Redis again in the meantime.
local call = redis.call
local key = KEYS[1]
local function held(field)
    local value = redis.pcall('HGET', key, field)
    return type(value) == 'string' and value or nil
end
if held(ARGV[1]) ~= ARGV[2] then
    return 0
end
if ARGV[1] == 'claim' then
    call('DEL', key)
elseif (held('as_of') or '') >= ARGV[5] then
    return 0
end
call('HSET', key, unpack(ARGV, 4))
if ARGV[3] ~= '0' then
    call('PEXPIRE', key, ARGV[3])
end
return 1

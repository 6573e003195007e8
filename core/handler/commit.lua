-- commit: move an entity's baseline and publish its events, as one atomic step, if nobody else moved the baseline meanwhile.
-- The text of deliver.lua stands before this as the function `deliver`: cache, channel and stream of the same step.
--   KEYS[1]   the baseline: a hash of version, state, lanes, pending
--   KEYS[2]   sorted set of baselines by when `tick` is due, microseconds
--   KEYS[3]   sorted set of baselines with events that SQS has not got, by when they were made, microseconds
--   KEYS[4..] what deliver.lua takes; stream and fence alone where there is no event
--   ARGV[1]   the version that was read, 0 for none
--   ARGV[2]   the state, JSON; empty: the entity is gone, and what is left of it expires after ARGV[6] ms
--   ARGV[3]   the position in each lane, JSON
--   ARGV[4]   the events that SQS has not got, JSON; empty: none
--   ARGV[5]   when `tick` is due; empty: never
--   ARGV[6]   how long redeliveries of a forgotten entity are recognised, ms
--   ARGV[7]   the time now, microseconds
--   ARGV[8..] what deliver.lua takes
-- Returns 1. Where the version is another one, it returns 0 and does nothing.
local call = redis.call
local key = KEYS[1]

-- Not unpack(): a batch may have more events of one entity than Lua's stack has room.
local function from(list, first)
    local rest = {}
    for i = first, #list do
        rest[#rest + 1] = list[i]
    end
    return rest
end

local version = call('HGET', key, 'version') or '0'
if version ~= ARGV[1] then
    return 0
end
if #KEYS > 5 then
    deliver(from(KEYS, 4), from(ARGV, 8))
end
call('HSET', key, 'version', string.format('%.0f', tonumber(version) + 1), 'state', ARGV[2], 'lanes', ARGV[3])
if ARGV[4] == '' then
    call('HDEL', key, 'pending')
    call('ZREM', KEYS[3], key)
else
    call('HSET', key, 'pending', ARGV[4])
    call('ZADD', KEYS[3], 'NX', ARGV[7], key)
end
if ARGV[2] == '' and ARGV[4] == '' then
    call('PEXPIRE', key, ARGV[6])
else
    call('PERSIST', key)
end
if ARGV[5] == '' then
    call('ZREM', KEYS[2], key)
else
    call('ZADD', KEYS[2], ARGV[5], key)
end
return 1

-- commit: move an entity's baseline and publish its events, as one atomic step, if nobody else moved the baseline meanwhile.
-- The text of deliver.lua stands before this as the function `deliver`: cache, channel and stream of the same step; those of
-- refresh.lua and places.lua stand there, too.
--   KEYS[1]   the baseline: a hash of version, state, lanes, waiting, run, and unsent: how many of its alerts wait, over all queues
--   KEYS[2]   sorted set of baselines by when `tick` is due, microseconds
--   KEYS[3]   how many alerts wait, by queue; its name begins those of places.lua
--   KEYS[4]   the entity's cache entry
--   KEYS[5]   the last sequence that was drawn
--   KEYS[6]   the baseline of the entity's former name, and KEYS[7] the cache entry of that
--   KEYS[8..] what deliver.lua takes; stream and fence alone where there is no event
--   ARGV[1]   the version that was read, 0 for none
--   ARGV[2]   the state, JSON; empty: the entity is gone, and what is left of it expires after ARGV[6] ms
--   ARGV[3]   the position in each lane, JSON
--   ARGV[4]   which of the events are alerts, JSON: for each queue the events' numbers, from 1; empty: none
--   ARGV[5]   when `tick` is due; empty: never
--   ARGV[6]   how long redeliveries of a forgotten entity are recognised, ms
--   ARGV[7]   the samples that wait for earlier ones, JSON; empty: none
--   ARGV[8]   the time now, microseconds
--   ARGV[9]   the run of this server, by which a restart from an older state is noticed
--   ARGV[10]  when the entity was what its cache entry shall say, RFC 3339; empty: the events say so
--   ARGV[11]  what it shall say
--   ARGV[12]  the version of the former name's baseline that was read; empty: there is no former name
--   ARGV[13]  the position in each lane that remains under it, JSON
--   ARGV[14..] what deliver.lua takes
-- Returns 1. Where a version is another one, it returns 0 and does nothing.
local call = redis.call
local key, former, events_at = KEYS[1], KEYS[6], 14

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
if ARGV[12] ~= '' and (call('HGET', former, 'version') or '0') ~= ARGV[12] then
    return 0
end
if #KEYS > 9 then
    deliver(from(KEYS, 8), from(ARGV, events_at))
end
if ARGV[10] ~= '' then
    refresh(KEYS[4], KEYS[5], ARGV[10], ARGV[11], cjson.decode(ARGV[events_at]))
end
call('HSET', key, 'version', string.format('%.0f', tonumber(version) + 1), 'state', ARGV[2], 'lanes', ARGV[3], 'run', ARGV[9])
if ARGV[7] == '' then
    call('HDEL', key, 'waiting')
else
    call('HSET', key, 'waiting', ARGV[7])
end
if ARGV[4] ~= '' then
    local unsent = 0
    for queue, numbers in pairs(cjson.decode(ARGV[4])) do
        local waiting, own = places(KEYS[3], queue, key)
        for _, number in ipairs(numbers) do
            local at = events_at + 3 * number
            call('ZADD', own, ARGV[at], ARGV[8] .. ' ' .. ARGV[at + 1])
        end
        call('ZADD', waiting, 'NX', ARGV[8], key)
        call('HINCRBY', KEYS[3], queue, #numbers)
        unsent = unsent + #numbers
    end
    call('HINCRBY', key, 'unsent', unsent)
end
if ARGV[2] == '' and ARGV[7] == '' and (call('HGET', key, 'unsent') or '0') == '0' then
    call('PEXPIRE', key, ARGV[6])
else
    call('PERSIST', key)
end
if ARGV[12] ~= '' then
    call('HSET', former, 'version', string.format('%.0f', tonumber(ARGV[12]) + 1), 'state', '', 'lanes', ARGV[13], 'run', ARGV[9])
    call('HDEL', former, 'waiting')
    call('ZREM', KEYS[2], former)
    call('DEL', KEYS[7])
    if (call('HGET', former, 'unsent') or '0') == '0' then
        call('PEXPIRE', former, ARGV[6])
    end
end
if ARGV[5] == '' then
    call('ZREM', KEYS[2], key)
else
    call('ZADD', KEYS[2], ARGV[5], key)
end
return 1

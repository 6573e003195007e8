-- remember: the one rule by which an event gets into the cache; it stands before deliver.lua and fill.lua. A replayed or older
-- event never overwrites a newer one of its log. Between logs sequences do not tell which is newer: one that was restored, or
-- whose clock is behind, gives lower ones. There the event wins, as only the log that leads delivers.

-- The log of an event, by its id: `<log>-<transaction>-<sequence>`. Events of a stream source are of no log.
local function log_of(event)
    return type(event) == 'string' and string.match(string.sub(event, 1, 120), '"id":"([^"-]+)%-%d+%-%d+"')
end

local function is_of_a_former_log(cached, event)
    local log, former = log_of(event), log_of(cached)
    return log and former and log ~= former
end

-- Returns how many entries were written: 1 or 0.
--   ttls   cache time to live, milliseconds: a number, or an object of them by kind, with `*` for kinds not in it: the log may
--          hold events of one that the settings no longer have
local function remember(key, sequence, event, ttls)
    local held = redis.pcall('HMGET', key, 'sequence', 'as_of')
    local cached = held[1]
    if type(cached) ~= 'string' then
        -- Nothing, or what a reader left there to fill it, or somebody's value of another type under a name of rtp's.
        redis.call('DEL', key)
    elseif cached >= sequence and not is_of_a_former_log(redis.pcall('HGET', key, 'event'), event) then
        return 0
    elseif held[2] then
        -- What the reader's side had put there is older now.
        redis.call('HDEL', key, 'current', 'as_of')
    end
    redis.call('HSET', key, 'sequence', sequence, 'event', event)
    -- Up to a tenth less of the time, so that not all ends at once.
    local lifetime = type(ttls) == 'number' and ttls or ttls[string.match(key, ':cache:([%w_]+):')] or ttls['*']
    redis.call('PEXPIRE', key, math.floor(lifetime * (1 - tonumber(string.sub(sequence, -3)) / 10000)))
    return 1
end

-- refresh: put what an entity is now into its cache entry, beside the newest event. Its text stands before commit.lua. The entry gets
-- a new sequence, above all events so far: whoever reads the table to fill or refresh the entry writes only where the sequence
-- is still the one that was seen before (rtp_client/cache/write.lua), so that nothing older can overwrite this.
--   key       the entry
--   counter   the last sequence that was drawn, as in draw.lua, whose text stands before this
--   as_of     when the value was the table's, RFC 3339
--   value     a decimal string, empty for null; or metadata's columns, JSON
--   ttls      as in remember.lua
local function refresh(key, counter, as_of, value, ttls)
    local sequence = draw(counter, 1)
    if type(redis.pcall('HGET', key, 'sequence')) ~= 'string' then
        -- Nothing, or what a reader left there to fill it, or somebody's value of another type under a name of rtp's.
        redis.call('DEL', key)
    end
    sequence = string.rep('0', 20 - #sequence) .. sequence
    redis.call('HSET', key, 'sequence', sequence, 'current', value, 'as_of', as_of)
    local lifetime = ttls[string.match(key, ':cache:([%w_]+):')] or ttls['*']
    redis.call('PEXPIRE', key, math.floor(lifetime * (1 - tonumber(string.sub(sequence, -3)) / 10000)))
end

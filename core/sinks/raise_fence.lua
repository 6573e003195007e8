-- raise_fence: keep out what epochs before this one may still bring.
--   KEYS[1]   the fence
--   ARGV[1]   the epoch
-- Returns the fence's epoch: this one, or a later one, which stays.
local fence = redis.pcall('GET', KEYS[1])
fence = type(fence) == 'string' and tonumber(fence) or 0
if fence < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1])
    return tonumber(ARGV[1])
end
return fence

-- fill: put events into the cache only: no channel, no stream. For a cache that lost its memory.
--   KEYS[1]        the marker of a filled cache
--   KEYS[1 + i]    the cache key of event i
--   ARGV[1]        cache time to live, milliseconds: a number, or a JSON object of them by kind
--   ARGV[2]        what the marker must be: else the memory was lost again, or somebody else fills; empty to fill anyhow
--   ARGV[2i + 1]   sequence of event i, fixed width, so that comparing text compares positions
--   ARGV[2i + 2]   the event, JSON
-- Returns how many entries it wrote, or -1 where the marker is another. It never overwrites a newer event: what is delivered
-- meanwhile stays.
local ttl, token = ARGV[1], ARGV[2]
local ttls = cjson.decode(ttl)
if token ~= '' and redis.pcall('GET', KEYS[1]) ~= token then
    return -1
end
local written = 0
for i = 1, #KEYS - 1 do
    written = written + remember(KEYS[i + 1], ARGV[2 * i + 1], ARGV[2 * i + 2], ttls)
end
return written

-- drop: take what entities were called before out of the cache, where nobody else has the name since.
--   KEYS[i]  the cache entry of a former name
--   ARGV[i]  the sequence of the event that tells of the new one
for i, key in ipairs(KEYS) do
    local held = redis.pcall('HGET', key, 'sequence')
    if type(held) ~= 'string' or held < ARGV[i] then
        redis.call('DEL', key)
    end
end

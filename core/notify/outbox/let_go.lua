-- let_go: a process gives back pieces of work that are its own.
--   KEYS[1]   the processes that share the work
--   KEYS[2..] the leases
--   ARGV[1]   the token of the process
--   ARGV[2]   1: it goes away itself
for i = 2, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[1] then
        redis.call('DEL', KEYS[i])
    end
end
if ARGV[2] == '1' then
    redis.call('ZREM', KEYS[1], ARGV[1])
end
return 1

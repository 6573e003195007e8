-- touch: let an entry that is read often live on. Not one that waits to be filled, or stands for an unknown entity.
--   KEYS[1]   the entry
--   ARGV[1]   time to live, milliseconds
-- Returns 1 where it did.
if redis.call('HEXISTS', KEYS[1], 'sequence') == 0 then
    return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])

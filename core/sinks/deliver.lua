-- deliver: hand a batch of events to the cache, the channels and the stream, as one atomic step.
--   KEYS[1]        the stream
--   KEYS[2]        the fence: the highest epoch that has delivered
--   KEYS[2 + i]    the cache key of event i; its channel is the same name under rtp:events:
--   ARGV[1]        cache time to live, milliseconds: a number, or a JSON object of them by kind
--   ARGV[2]        about how many entries the stream keeps
--   ARGV[3]        the epoch that this batch is of; 0 for none, which is never refused
--   ARGV[3i + 1]   sequence of event i, fixed width, so that comparing text compares positions
--   ARGV[3i + 2]   the event, JSON
--   ARGV[3i + 3]   the channels that its routes add, with spaces between; empty for none
--   the last ARGV  of a batch that was sent before the last one's answer was read: the sequence that the stream must end with
-- Returns how many cache entries it wrote; or {-1, 0} without a fence, {-2, its epoch} where that is a later one, and {-3, 0} where
-- the stream does not end as it must: then it has done nothing. A reader who gets an event from the channel finds that event in the cache, or
-- a newer one: nothing runs between the two.
local stream, ttl, stream_length, epoch = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local call = redis.call
local ttls = cjson.decode(ttl)
local written = 0
-- Redis does not undo what a failing script has done: a stream of another type must fail it before the first event.
call('XLEN', stream)
if epoch > 0 then
    local fence = redis.pcall('GET', KEYS[2])
    fence = type(fence) == 'string' and tonumber(fence)
    if not fence then
        return {-1, 0}
    elseif fence > epoch then
        return {-2, fence}
    elseif fence < epoch then
        call('SET', KEYS[2], ARGV[3])
    end
end
local events = #KEYS - 2
local before = ARGV[3 * events + 4]
if before then
    -- The batch before may have been refused, and this one must not pass it.
    local last = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    if not last or last[2][2] ~= before then
        return {-3, 0}
    end
end
local name_at = 7 + (string.find(KEYS[3] or '', ':cache:', 1, true) or 0)
for i = 1, events do
    local key, sequence, event, channels = KEYS[i + 2], ARGV[3 * i + 1], ARGV[3 * i + 2], ARGV[3 * i + 3]
    written = written + remember(key, sequence, event, ttls)
    call('PUBLISH', 'rtp:events:' .. string.sub(key, name_at), event)
    if channels ~= '' then
        for channel in string.gmatch(channels, '%S+') do
            call('PUBLISH', channel, event)
        end
    end
    if i < events then
        call('XADD', stream, '*', 'sequence', sequence, 'event', event)
    else
        call('XADD', stream, 'MAXLEN', '~', stream_length, '*', 'sequence', sequence, 'event', event)
    end
end
return {written, epoch}

-- places: where a queue's alerts wait. Its text stands before other scripts. Returns the key of the baselines with alerts for the queue,
-- by when the oldest was made, and that of one baseline's alerts, by sequence, each behind the time at which it was made.
--   counts    how many alerts wait, by queue; its name begins all of these
--   queue     the queue
--   baseline  the baseline. Its first part is left out of the name: in a cluster it has another spelling in scripts than outside.
local function places(counts, queue, baseline)
    local waiting = counts .. ':' .. queue
    return waiting, waiting .. string.match(baseline, ':.*')
end

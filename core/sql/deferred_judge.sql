-- What rtp run does for the triggers: judge what they left, and look again where time has passed.

-- name: put_ticks
-- Put a tick among the waiting samples of each entity whose appointment has come.
SELECT rtp.put_ticks(1000)

-- name: judge_waiting
-- Judge waiting samples; how many, and whether there is more to do at once. No row where none waits, as nearly always: then
-- nothing is called.
SELECT judged, has_more FROM rtp.judge_waiting(2000, 500) WHERE EXISTS (SELECT FROM rtp.sample)

-- name: tidy
-- Forget what the triggers cost more than an hour ago.
DELETE FROM rtp.trigger_timing WHERE measured_at < now() - interval '1 hour'

-- What must be seen to now and then, besides what has a file of its own.

-- name: tidy
-- Forget what the triggers cost more than an hour ago.
DELETE FROM rtp.trigger_timing WHERE measured_at < now() - interval '1 hour'

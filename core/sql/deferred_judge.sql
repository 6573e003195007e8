-- What rtp run does for the triggers: judge what they left, and look again where time has passed.

-- name: put_ticks
-- Put a tick among the waiting samples of each entity whose appointment has come.
SELECT rtp.put_ticks(1000)

-- name: judge_waiting
-- Judge waiting samples; how many, and whether there is more to do at once. No row where none waits, as nearly always: then
-- nothing is called.
SELECT judged, has_more FROM rtp.judge_waiting(2000, 500) WHERE EXISTS (SELECT FROM rtp.sample)

-- name: wait_for_sample
-- Wait until another id of a sample is drawn, looking every few milliseconds for as many times as told; the newest id, and no
-- row where none was drawn. The sample may not be committed yet.
SELECT pg_sequence_last_value('rtp.sample_id_seq'::regclass) AS newest_id
FROM generate_series(1, %(looks)s::bigint) AS look
CROSS JOIN LATERAL (SELECT pg_sleep(%(seconds)s::double precision)::text AS done WHERE look > 0) AS pause
WHERE pg_sequence_last_value('rtp.sample_id_seq'::regclass) > %(newest_id)s::bigint
LIMIT 1

-- name: tidy
-- Forget what the triggers cost more than an hour ago.
DELETE FROM rtp.trigger_timing WHERE measured_at < now() - interval '1 hour'

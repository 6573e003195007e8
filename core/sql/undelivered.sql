-- What would be lost with rtp's schema, besides what core/sql/inspection.sql and core/sql/waiting.sql know.

-- name: unread_events
-- The events of a log that no sink has ever read.
SELECT count(*) FROM rtp.event WHERE NOT EXISTS (SELECT FROM rtp.cursor)

-- name: dead_letters
-- Those that nobody has delivered or dropped, by sink.
SELECT sink, count(*) FROM rtp.dead_letter WHERE status = 'dead' GROUP BY sink ORDER BY sink

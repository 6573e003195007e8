-- What the cache is filled and compared with.

-- name: known
-- The entities of a kind, those that were reported last first.
SELECT b.chain, b.entity FROM rtp.baseline AS b JOIN rtp.watch AS w ON w.id = b.watch
WHERE w.kind = %(kind)s AND w.removed_at IS NULL
ORDER BY b.reported_at DESC LIMIT %(limit)s

-- name: now
-- The database's clock, as entries carry it.
SELECT to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')

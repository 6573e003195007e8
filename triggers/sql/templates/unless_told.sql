-- What was written above READ COMMITTED, and waits for rtp run, was never seen: then the row is a first sighting.
WHERE NOT (n.emit_first AND (
    -- Those that wait are read once, and hashed.
    (n.chain, n.entity) IN (
        SELECT s.chain, s.entity FROM rtp.sample AS s
        WHERE s.watch = {watch}
          AND s.xid >= (SELECT pg_snapshot_xmin(c.snapshot) FROM rtp.judge_cursor AS c ORDER BY 1 LIMIT 1)
    )
    OR EXISTS (SELECT FROM rtp.look AS l WHERE l.watch = {watch} AND l.chain = n.chain AND l.entity = n.entity OFFSET 0)
))

-- Entities whose rows are gone.

-- forget: entities whose rows are gone: an event each, and no baseline. Returns how many. Writes rtp.event and rtp.baseline.
CREATE OR REPLACE FUNCTION rtp.forget(
    of_watch smallint, chains text[], entities text[], with_confidence double precision, with_provenance text
)
RETURNS bigint LANGUAGE sql
AS $$
    WITH gone AS (
        -- Looked up by their whole key, whatever the planner knows of the table, as in templates/lookup.sql.
        DELETE FROM rtp.baseline AS b
        USING unnest(chains, entities) AS e (chain, entity)
        CROSS JOIN LATERAL (
            SELECT k.ctid FROM rtp.baseline AS k
            WHERE k.watch = of_watch AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
        ) AS known (place)
        WHERE b.ctid = known.place
        RETURNING b.chain, b.entity, b.value
    ), appended AS (
        INSERT INTO rtp.event (watch, chain, entity, previous, reason, severity, confidence, provenance, changed_at)
        SELECT of_watch, chain, entity, value, 'deleted', 'warning', with_confidence, with_provenance, statement_timestamp()
        FROM gone ORDER BY chain, entity
        RETURNING 1
    )
    SELECT count(*) FROM appended
$$;

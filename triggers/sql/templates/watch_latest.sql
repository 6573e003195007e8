-- Watch {name}: a table with one row per entity, updated in place, and rules that need no memory but the baseline.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event and rtp.baseline, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
-- The writer's own row locks serialise an entity here: whoever comes second sees the baseline that the first one left, and
-- nobody waits for a lock that the writer had not waited for.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS {quote}
DECLARE
    started       timestamptz := clock_timestamp();
    reported_rows bigint := 0;
    measured_rows bigint;
    unseen_rows   bigint := 0;
    made          bigint;
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT rtp.forget({watch}, array_agg(o.chain), array_agg(o.entity), {default_confidence}, {default_provenance})
        INTO reported_rows FROM ({old_sample}) AS o;
    ELSIF TG_OP = 'TRUNCATE' THEN
        reported_rows := rtp.forget_all({watch}, {default_confidence}, {default_provenance});
    ELSIF EXISTS (
        -- Most statements change nothing that matters, and this look at them is all that they cost.
        SELECT FROM new_rows AS r
        LEFT JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = {chain} AND b.entity = {entity}
        WHERE ({value} > b.lower AND {value} < b.upper AND b.rules = {rules}) IS NOT TRUE
    ) THEN
        FOR pass IN 1..2 LOOP
            WITH touched AS MATERIALIZED (
                SELECT n.*, b.value AS previous, b.entity IS NULL AS is_unseen
                FROM ({new_sample}) AS n
                LEFT JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = n.chain AND b.entity = n.entity
                WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = {rules}) IS NOT TRUE
            ), judged AS MATERIALIZED (
                SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported
                FROM touched AS t
                CROSS JOIN LATERAL (SELECT rtp.verdict(t.previous, t.value, t.percent, t.min_change) AS reason) AS v
                WHERE NOT t.is_unseen
            ), moved AS (
                UPDATE rtp.baseline AS b
                SET value = j.reported, rules = {rules},
                    reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
                    lower = rtp.lower_bound(j.reported, j.percent, j.min_change),
                    upper = rtp.upper_bound(j.reported, j.percent, j.min_change)
                FROM judged AS j
                WHERE b.watch = {watch} AND b.chain = j.chain AND b.entity = j.entity
                  AND (j.reason IS NOT NULL OR b.rules <> {rules})
            ), appended AS (
                INSERT INTO rtp.event
                    (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
                SELECT {watch}, chain, entity, previous, value, reason,
                       rtp.severity(previous, value, reason, warning, critical), confidence, provenance, changed_at
                FROM judged WHERE reason IS NOT NULL
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen)
            INTO made, unseen_rows FROM touched AS t;
            reported_rows := reported_rows + made;
            EXIT WHEN unseen_rows = 0 OR TG_OP = 'INSERT' OR pass = 2;

            -- Rows from before the installation: what they held before this statement is their baseline. Then, again.
            INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
            SELECT {watch}, o.chain, o.entity, o.value, clock_timestamp(), {rules},
                   rtp.lower_bound(o.value, o.percent, o.min_change), rtp.upper_bound(o.value, o.percent, o.min_change)
            FROM ({old_sample}) AS o JOIN ({new_sample}) AS n USING (chain, entity)
            ON CONFLICT DO NOTHING;

            -- Rows whose key has changed: the entity of the old key is gone.
            SELECT reported_rows
                   + rtp.forget({watch}, array_agg(o.chain), array_agg(o.entity), {default_confidence}, {default_provenance})
            INTO reported_rows
            FROM ({old_sample}) AS o LEFT JOIN ({new_sample}) AS n USING (chain, entity)
            WHERE n.entity IS NULL;
        END LOOP;

        IF unseen_rows > 0 THEN
            WITH first AS (
                INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
                SELECT {watch}, n.chain, n.entity, n.value, clock_timestamp(), {rules},
                       rtp.lower_bound(n.value, n.percent, n.min_change), rtp.upper_bound(n.value, n.percent, n.min_change)
                FROM ({new_sample}) AS n
                ON CONFLICT DO NOTHING
                RETURNING chain, entity
            ), appended AS (
                INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, provenance, changed_at)
                SELECT {watch}, n.chain, n.entity, n.value, 'first_seen', n.confidence, n.provenance, n.changed_at
                FROM first JOIN ({new_sample}) AS n USING (chain, entity)
                WHERE n.emit_first
                RETURNING 1
            )
            SELECT reported_rows + count(*) INTO reported_rows FROM appended;
        END IF;
        {note_unusable}
    END IF;

    IF reported_rows > 0 THEN
        PERFORM rtp.wake();
    END IF;
    {measure}
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
{quote};

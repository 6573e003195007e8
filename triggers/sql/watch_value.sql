-- Watch {name}: significant changes of a value (TVL or price).
-- Purpose: compare each written row with its entity's baseline; report what deviates, and move the baseline.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event and rtp.baseline, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
-- The writer's own row locks serialise an entity here, for the table holds one row per entity: whoever comes second
-- sees the baseline that the first one left, and nobody waits for a lock that the writer had not waited for.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS {quote}
DECLARE
    reported    bigint := 0;
    unseen_rows bigint := 0;
    again       bigint := 0;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        {report_all_deleted}
    ELSIF TG_OP = 'DELETE' THEN
        {report_deleted}
    ELSE
        {judge_first}

        IF unseen_rows > 0 THEN
            IF TG_OP = 'UPDATE' THEN
                -- Rows from before the installation: what they held before this statement is their baseline.
                INSERT INTO rtp.baseline (watch, chain, entity, value)
                SELECT {watch}, o.chain, o.entity, o.value
                FROM ({old_sample}) AS o JOIN ({new_sample}) AS n USING (chain, entity)
                WHERE o.chain <> '' AND o.entity <> '' AND octet_length(o.chain) + octet_length(o.entity) <= 1000
                ON CONFLICT DO NOTHING;

                -- Rows whose key changed: the entity of the old key is gone.
                {report_vanished}

                {judge_again}
                reported := reported + again;
            END IF;

            -- Entities never seen before.
            WITH first AS (
                INSERT INTO rtp.baseline (watch, chain, entity, value)
                SELECT {watch}, n.chain, n.entity, n.value
                FROM ({new_sample}) AS n
                WHERE n.chain <> '' AND n.entity <> '' AND octet_length(n.chain) + octet_length(n.entity) <= 1000
                ON CONFLICT DO NOTHING
                RETURNING chain, entity
            ), appended AS (
                INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, provenance, changed_at)
                SELECT {watch}, n.chain, n.entity, n.value, 'first_seen', n.confidence, n.provenance, n.changed_at
                FROM first JOIN ({new_sample}) AS n USING (chain, entity)
                WHERE {emit_first}
                ORDER BY n.chain, n.entity
                RETURNING 1
            )
            SELECT reported + count(*) INTO reported FROM appended;

            PERFORM rtp.note_error({name_literal}, TG_OP, '22023', 'the chain or entity of ' || count(*) || ' rows is null, empty or longer than 1000 bytes')
            FROM ({new_sample}) AS n
            WHERE (n.chain <> '' AND n.entity <> '' AND octet_length(n.chain) + octet_length(n.entity) <= 1000) IS NOT TRUE
            HAVING count(*) > 0;
        END IF;
    END IF;

    IF reported > 0 THEN
        PERFORM rtp.wake();
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
{quote};

-- Watch {name}: a table with one row per entity, updated in place, and rules that need no memory but the baseline.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event and rtp.baseline, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
-- The writer's own row locks serialise an entity here: whoever comes second sees the baseline that the first one left, and
-- nobody waits for a lock that the writer had not waited for.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp{exact_floats}
AS {quote}
DECLARE
    started       timestamptz := {started};
    reported_rows bigint := 0;
    measured_rows bigint;
    unseen_rows   bigint := 0;
    made          bigint;
    is_done       boolean := false;
    is_large      boolean;
    one           record;
    reach         numeric;
BEGIN
    IF TG_OP = 'DELETE' THEN
        is_done := true;
        SELECT rtp.forget({watch}, array_agg(o.chain), array_agg(o.entity), {default_confidence}, {default_provenance})
        INTO reported_rows FROM ({old_sample}) AS o;
    ELSIF TG_OP = 'TRUNCATE' THEN
        is_done := true;
        SELECT rtp.forget({watch}, array_agg(b.chain), array_agg(b.entity), {default_confidence}, {default_provenance})
        INTO reported_rows FROM rtp.baseline AS b WHERE b.watch = {watch} AND {is_gone};
    ELSE
        -- Most statements change nothing that matters, and one look at them is all that they cost: the first row outside its
        -- band. A large statement is not looked through here: this plan, an index look-up per row, is for small ones.
        {first_touched}
        IF NOT FOUND THEN
            {measure}
            RETURN NULL;
        END IF;

        -- One row is the usual case, and plain statements take half the time of one with everything in it.
        IF NOT EXISTS (SELECT FROM new_rows OFFSET 1) THEN
            {judge_one}
        END IF;
    END IF;

    IF NOT is_done THEN
        is_large := EXISTS (SELECT FROM new_rows OFFSET 100);
        FOR pass IN 1..2 LOOP
            -- A small statement's plan is kept: an index look-up per row. A large one is worth a plan of its own: PostgreSQL
            -- then reads the baselines once, and hashes.
            IF is_large THEN
                EXECUTE {judge_text} INTO made, unseen_rows;
            ELSE
                {judge};
            END IF;
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
        -- What rtp.wake asks first, asked here, spares the call while rtp is awake.
        IF pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
            PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1), rtp.wake();
        END IF;
    END IF;
    {measure}
    RETURN NULL;
EXCEPTION
WHEN disk_full OR io_error THEN
    RAISE;  -- nothing can be kept, the event neither: the writer's transaction fails, rather than commit without it
WHEN OTHERS THEN
    PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
{quote};

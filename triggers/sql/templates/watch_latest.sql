-- Watch {name}: a table with one row per entity, updated in place, and rules that need no memory but the baseline.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event and rtp.baseline, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
-- Plans are made when the tables are small and kept when they are large: hence no sequential scans, and look-ups by key.
-- The writer's own row locks serialise an entity here: whoever comes second sees the baseline that the first one left, and
-- nobody waits for a lock that the writer had not waited for.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off{exact_floats}
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
        EXECUTE {forget_gone_text} INTO reported_rows;
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

    -- A small statement's plan is kept, an index look-up per row. A large one is worth plans of its own, made for as many rows as
    -- it has: they read the baselines once, and hash.
    IF NOT is_done THEN
        is_large := EXISTS (SELECT FROM new_rows OFFSET 100);
        FOR pass IN 1..2 LOOP
            IF is_large THEN
                EXECUTE {judge_text} INTO made, unseen_rows;
            ELSE
                {judge};
            END IF;
            reported_rows := reported_rows + made;
            EXIT WHEN unseen_rows = 0 OR TG_OP = 'INSERT' OR pass = 2;

            -- Rows from before the installation: what they held before this statement is their baseline. Then, again.
            EXECUTE {baselines_before_text};
            -- Rows whose key has changed: the entity of the old key is gone.
            EXECUTE {forget_renamed_text} INTO made;
            reported_rows := reported_rows + made;
        END LOOP;

        IF unseen_rows > 0 THEN
            IF is_large THEN
                EXECUTE {first_sightings_text} INTO made;
            ELSE
                {first_sightings};
            END IF;
            reported_rows := reported_rows + made;
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

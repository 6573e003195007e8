-- Watch {name}: metadata.
-- Purpose: report every entity added or removed, and every watched field that changed, with its previous and current value.
-- Fires after each statement, on its transition tables new_rows and old_rows, and before a TRUNCATE. What it returns is ignored.
-- Writes rtp.event, and rtp.baseline as the list of known entities, in the writer's transaction; never aborts it: what fails
-- is left in rtp.trigger_error.
--
-- An entity whose row is gone may come back within the transaction: then it has changed. So its fields are kept in the baseline,
-- and rtp run is to look whether it is still gone (core/judging/looks.py). Above READ COMMITTED the baselines in sight may be
-- older than the rows: there rtp run looks at all entities that come or go.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off{settings}
AS {quote}
DECLARE
    started       timestamptz := {started};
    sees_newest   boolean := current_setting('transaction_isolation') LIKE 'read %';
    with_old_rows text := '';  -- or with whatever else the next statement is to know
    reported_rows bigint := 0;
    left_rows     bigint := 0;
    renamed_rows  bigint := 0;
    is_renaming   boolean;
    made          bigint;
    measured_rows bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        is_renaming := {is_renaming};
        IF is_renaming AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows) THEN
            -- What is known of a row goes over to its name of now, by which its change is told.
            IF sees_newest THEN
                EXECUTE {rename} INTO renamed_rows;
            ELSE
                EXECUTE {append_renamed};
            END IF;
            EXECUTE {changed_or_renamed} INTO reported_rows, left_rows;
            reported_rows := reported_rows + renamed_rows;
        -- A small statement's plan is kept. A large one gets a plan of its own, made for as many rows as it has.
        ELSIF NOT EXISTS (SELECT FROM new_rows OFFSET 100) THEN
            {updated};
        ELSE
            EXECUTE {updated_text} INTO reported_rows, left_rows;
        END IF;
        IF is_renaming OR EXISTS ({new_entities} EXCEPT {old_entities}) THEN
            with_old_rows := {with_pairs};
            {lost}{found}
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        {added}
    ELSE
        IF TG_OP = 'TRUNCATE' THEN
            with_old_rows := rtp.rows_before_truncate(TG_RELID, {table});
        END IF;
        {removed}
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        {note_unusable}
    END IF;

    IF reported_rows + left_rows > 0 THEN
        PERFORM rtp.wake();
    END IF;
    {measure}
    RETURN NULL;
EXCEPTION
WHEN disk_full OR io_error OR serialization_failure THEN
    RAISE;  -- nothing can be kept, the event neither: the writer's transaction fails, rather than commit without it
WHEN OTHERS THEN
    PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
{quote};

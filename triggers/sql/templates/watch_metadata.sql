-- Watch {name}: metadata.
-- Purpose: report every entity added or removed, and every watched field that changed, with its previous and current value.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event, and rtp.baseline as the list of known entities, in the writer's transaction; never aborts it: what fails
-- is left in rtp.trigger_error.
-- Plans are made when the tables are small and kept when they are large: hence no sequential scans, and look-ups by key.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off{settings}
AS {quote}
DECLARE
    started       timestamptz := {started};
    reported_rows bigint := 0;
    measured_rows bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- A small statement's plan is kept. A large one gets a plan of its own, made for as many rows as it has.
        IF NOT EXISTS (SELECT FROM new_rows OFFSET 100) THEN
            {updated};
        ELSE
            EXECUTE {updated_text} INTO reported_rows;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        {inserted};
    ELSIF TG_OP = 'DELETE' THEN
        {deleted};
    ELSE
        EXECUTE {truncated_text} INTO reported_rows;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        {note_unusable}
    END IF;

    IF reported_rows > 0 THEN
        PERFORM rtp.wake();
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

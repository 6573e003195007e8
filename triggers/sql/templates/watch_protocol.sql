-- Watch {name}: metadata of protocols.
-- Purpose: report every protocol added or removed, and every watched field that changed, with its previous and current value.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event, and rtp.baseline as the list of known protocols, in the writer's transaction; never aborts it: what fails
-- is left in rtp.trigger_error.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp{exact_floats}
AS {quote}
DECLARE
    started       timestamptz := {started};
    reported_rows bigint := 0;
    measured_rows bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        WITH step AS (
            {changed}
            JOIN old_rows AS o ON {same_entity}
            WHERE {differs}
            UNION ALL
            {added}
            WHERE NOT EXISTS (SELECT FROM old_rows AS o WHERE {same_entity})
            UNION ALL
            {removed}
            WHERE NOT EXISTS (SELECT FROM new_rows AS o WHERE {same_entity})
        ){append}
    ELSIF TG_OP = 'INSERT' THEN
        WITH step AS (
            {added}
        ){append}
    ELSIF TG_OP = 'DELETE' THEN
        WITH step AS (
            {removed}
        ){append}
    ELSE
        WITH step AS (
            SELECT b.chain, b.entity, 'removed' AS reason, NULL::jsonb AS fields, {default_confidence} AS confidence,
                   {default_provenance} AS provenance, statement_timestamp() AS changed_at
            FROM rtp.baseline AS b WHERE b.watch = {watch} AND {is_gone}
        ){append}
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

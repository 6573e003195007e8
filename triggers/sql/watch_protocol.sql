-- Watch {name}: changed metadata of protocols.
-- Purpose: report every protocol added or removed, and every watched field that changed, with its previous and current value.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS {quote}
DECLARE
    reported bigint := 0;
    nameless bigint := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        WITH step AS (
            {update_step}
        )
        {append}
    ELSIF TG_OP = 'INSERT' THEN
        WITH step AS (
            {insert_step}
        )
        {append}
    ELSIF TG_OP = 'DELETE' THEN
        WITH step AS (
            {delete_step}
        )
        {append}
    END IF;

    IF nameless > 0 THEN
        PERFORM rtp.note_error({name_literal}, TG_OP, '22023', 'the chain or entity of ' || nameless || ' rows is null, empty or longer than 1000 bytes');
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

-- Watch {name}: samples judged one by one, for a table of history or for rules with a longer memory.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes what rtp.take_or_leave writes, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
-- Never waits: what cannot be judged at once, or is more than {most_at_once} samples in one statement, rtp run judges.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off{exact_floats}
AS {quote}
DECLARE
    started       timestamptz := {started};
    reported_rows bigint := 0;
    measured_rows bigint;
    is_left       boolean := false;
    made          integer;
    sample        rtp.sample;
    samples       rtp.sample[];
BEGIN
    -- A small statement's plan is kept. A large one gets a plan of its own, made for as many rows as it has.
    IF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT FROM new_rows OFFSET {most_at_once}) THEN
            samples := ARRAY({inserted});
        ELSE
            EXECUTE {inserted_text} INTO samples;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (SELECT FROM new_rows OFFSET {most_at_once}) THEN
            samples := ARRAY({updated});
        ELSE
            EXECUTE {updated_text} INTO samples;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        EXECUTE {deleted_text} INTO samples;
    ELSE
        EXECUTE {truncated_text} INTO samples;
    END IF;

    IF cardinality(samples) <= {most_at_once} THEN
        FOREACH sample IN ARRAY samples LOOP
            made := rtp.take_or_leave(
                sample, {rule}, {rules}, {is_history}, {by_previous_row}
            );
            reported_rows := reported_rows + coalesce(made, 0);
            is_left := is_left OR made IS NULL;
        END LOOP;
    ELSIF TG_OP = 'INSERT' THEN
        EXECUTE {leave_inserted_text};
    ELSIF TG_OP = 'UPDATE' THEN
        EXECUTE {leave_updated_text};
    ELSIF TG_OP = 'DELETE' THEN
        EXECUTE {leave_deleted_text};
    ELSE
        EXECUTE {leave_truncated_text};
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        {note_unusable}
    END IF;

    IF reported_rows > 0 OR is_left OR cardinality(samples) > {most_at_once} THEN
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

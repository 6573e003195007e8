-- Watch {name}: samples judged one by one, for a table of history or for rules with a longer memory.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes what rtp.take_or_leave writes, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
-- Never waits: what cannot be judged at once, or is more than {most_at_once} samples in one statement, rtp run judges.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp{exact_floats}
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
    IF TG_OP = 'INSERT' THEN
        samples := ARRAY({inserted} LIMIT {most_at_once} + 1);
    ELSIF TG_OP = 'UPDATE' THEN
        samples := ARRAY({updated} LIMIT {most_at_once} + 1);
    ELSIF TG_OP = 'DELETE' THEN
        samples := ARRAY({deleted} LIMIT {most_at_once} + 1);
    ELSE
        samples := ARRAY({truncated} LIMIT {most_at_once} + 1);
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
        PERFORM rtp.leave(s.row) FROM ({inserted}) AS s (row);
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM rtp.leave(s.row) FROM ({updated}) AS s (row);
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM rtp.leave(s.row) FROM ({deleted}) AS s (row);
    ELSE
        PERFORM rtp.leave(s.row) FROM ({truncated}) AS s (row);
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

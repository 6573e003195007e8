-- Watch {name}: every row is a sample, appended to rtp.sample, where rtp run judges it.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.sample, in the writer's transaction, and waits for nobody. What fails is left in rtp.trigger_error.
--
-- As in a watch that judges by itself (watch_latest.sql), the usual statement reads in a block that catches errors, for a user's
-- row and table may hold anything, and writes outside of it, with no transaction id but the writer's own. What it writes cannot
-- fail for its data: one row has been read whole before; of many, every cast is total while the columns have the types that
-- this was compiled for (is_total). Nor for rtp's table, which is as rtp made it (is_safe).
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp{exact_floats}
AS {quote}
DECLARE
    started       timestamptz := {started};
    one           record;
    sampled_rows  bigint;
    reported_rows bigint;
    measured_rows bigint;
BEGIN
    IF TG_OP <> 'TRUNCATE' THEN
        BEGIN
            {look}
        EXCEPTION
        WHEN disk_full OR io_error OR serialization_failure THEN
            RAISE;
        WHEN OTHERS THEN
            PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
            RETURN NULL;
        END;
        IF NOT FOUND THEN
            RETURN NULL;
        ELSIF one.row_count = 1 AND one.is_usable AND one.is_safe THEN
            INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance,
                                    traceparent, tracestate)
            VALUES ({watch}, one.chain, one.entity, one.what, one.value, one.sampled_at, one.changed_at, one.confidence,
                    one.provenance, one.traceparent, one.tracestate);
            sampled_rows := 1;
        ELSIF one.is_total AND one.is_safe THEN
            {append_many};
            GET DIAGNOSTICS sampled_rows = ROW_COUNT;
            IF sampled_rows < one.row_count AND TG_OP <> 'DELETE' THEN
                PERFORM rtp.note_error({name_literal}, TG_OP, '22023',
                    one.row_count - sampled_rows || ' rows have no usable chain, entity or value');
            END IF;
        END IF;
    END IF;

    IF sampled_rows IS NULL THEN
        BEGIN
            EXECUTE {append_text};
            GET DIAGNOSTICS sampled_rows = ROW_COUNT;
            IF TG_OP IN ('INSERT', 'UPDATE') THEN
                {note_unusable}
            END IF;
        EXCEPTION
        WHEN disk_full OR io_error OR serialization_failure THEN
            RAISE;  -- the sample cannot be kept: the writer's transaction fails, rather than commit without it
        WHEN OTHERS THEN
            PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
            RETURN NULL;
        END;
    END IF;

    -- What rtp.wake asks first, asked here, spares the call while rtp is awake.
    IF sampled_rows > 0 AND pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
        PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1), rtp.wake();
    END IF;
    {measure}
    RETURN NULL;
END
{quote};

BEGIN
        -- All else goes the long way: what has a trace context to carry, and whoever is not to wait long for a lock, as an upgrade may
        -- have locked rtp's tables.
        is_safe := {can_be_read}
            AND 'rtp.sample'::regclass IS NOT NULL AND rtp.takes_samples()
            AND current_setting('lock_timeout') = '0' AND (current_setting('rtp.traceparent', true) <> '') IS NOT TRUE;
    EXCEPTION WHEN OTHERS THEN
        is_safe := false;
    END;
{not_safe}    IF is_safe THEN
        {append};
    ELSE
        BEGIN
            PERFORM rtp.refuse_own_types(TG_RELID, {installed});
            {append_text};
        EXCEPTION
        WHEN disk_full OR io_error OR serialization_failure THEN
            RAISE;  -- the sample cannot be kept: the writer's transaction fails, rather than commit without it
        WHEN OTHERS THEN
            PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
            RETURN NULL;
        END;
    END IF;

    -- What rtp.wake asks first, asked here, spares the call while rtp is awake.
    IF (FOUND OR NOT is_safe) AND pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
        PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1), rtp.wake();
    END IF;
    {measure}
    RETURN NULL

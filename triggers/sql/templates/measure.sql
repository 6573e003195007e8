IF started IS NOT NULL THEN
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            SELECT count(*) INTO measured_rows FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*) INTO measured_rows FROM old_rows;
        END IF;
        INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds)
        VALUES ({watch}, {weight}, measured_rows, reported_rows, extract(microseconds FROM clock_timestamp() - started));
    END IF;

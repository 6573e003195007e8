-- Several rows, of which each that matters is such a deviation. Here reading comes after the block, and must not fail, either.
                BEGIN
                    is_safe := {can_be_read};
                    IF TG_OP = 'UPDATE' AND is_safe THEN
                        is_safe := NOT {is_renaming};
                    END IF;
                EXCEPTION WHEN OTHERS THEN
                    is_safe := false;
                END;
                IF is_safe THEN
                    WITH touched AS MATERIALIZED (
                        SELECT n.*, b.place, b.value AS previous,
                               (b.rules = {rules} AND n.value > 0 AND n.value < 1e1000 AND n.value <> b.value
                                AND b.value > 0 AND b.value < 1e1000 AND {is_timely}) IS TRUE AS is_plain
                        FROM (SELECT {parts} FROM new_rows AS r) AS n
                        {lookup}
                        WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = {rules}) IS NOT TRUE
                    ), moved AS (
                        -- Two rows of one entity go the long way, as they have one baseline.
                        UPDATE rtp.baseline AS b
                        SET value = t.value, reported_at = clock_timestamp(), came_xid = NULL,
                            lower = greatest(t.value - greatest(t.value * {percent} * 0.01, {min_change}), 0),
                            upper = t.value + greatest(t.value * {percent} * 0.01, {min_change})
                        FROM touched AS t
                        WHERE b.ctid = t.place AND b.value = t.previous AND t.is_plain AND rtp.takes_events()
                          AND (SELECT bool_and(o.is_plain) AND count(*) = count(DISTINCT o.place) FROM touched AS o)
                        RETURNING t.*
                    ), appended AS (
                        INSERT INTO rtp.event
                            (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at,
                             traceparent, tracestate)
                        SELECT {watch}, t.chain, t.entity, t.previous, t.value, 'deviation', CASE
                                   WHEN abs(t.value - t.previous) * 100 >= {critical} * t.previous THEN 'critical'
                                   WHEN abs(t.value - t.previous) * 100 >= {warning} * t.previous THEN 'warning'
                                   ELSE 'info'
                               END, t.confidence, t.provenance, t.changed_at, NULL, NULL
                        FROM moved AS t
                        RETURNING 1
                    )
                    SELECT (SELECT count(*) FROM appended), count(*) INTO plain_rows, made FROM touched;
                    IF plain_rows = made THEN
                        reported_rows := made;
                    END IF;
                END IF;

-- One positive number has become another, outside the band of today's rule, and neither is so large that reckoning with it
        -- could fail: a deviation. All else goes the long way: what has a trace context to carry, and whoever is not to wait long
        -- for a lock, as an upgrade may have locked rtp's tables.
        IF one.is_current{and_none}{is_timely} AND (current_setting('rtp.traceparent', true) <> '') IS NOT TRUE
           AND current_setting('lock_timeout') = '0'
           -- PostgreSQL looks at rights before a statement begins, whatever its conditions come to.
           AND has_table_privilege(to_regclass('rtp.event'), 'INSERT')
           AND has_table_privilege(to_regclass('rtp.baseline'), 'UPDATE') THEN
            WITH moved AS (
                -- By place, not by key, which would be looked up a second time; where it still is what was read.
                UPDATE rtp.baseline AS b
                SET value = one.value, reported_at = clock_timestamp(), came_xid = NULL,
                    lower = greatest(one.value - band.reach, 0), upper = one.value + band.reach
                FROM (SELECT greatest(one.value * {percent} * 0.01, {min_change}) AS reach) AS band
                WHERE b.ctid = one.place AND b.value = one.previous
                  AND one.value > 0 AND one.value < 1e1000 AND one.value <> one.previous
                  AND one.previous > 0 AND one.previous < 1e1000
                  AND NOT EXISTS (SELECT FROM new_rows OFFSET 1) AND rtp.takes_events()
                RETURNING 1
            )
            INSERT INTO rtp.event
                (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at,
                 traceparent, tracestate)
            SELECT {watch}, one.chain, one.entity, one.previous, one.value, 'deviation', CASE
                       WHEN abs(one.value - one.previous) * 100 >= {critical} * one.previous THEN 'critical'
                       WHEN abs(one.value - one.previous) * 100 >= {warning} * one.previous THEN 'warning'
                       ELSE 'info'
                   END, {confidence}, {provenance}, {changed_at}, NULL, NULL
            FROM moved;
            IF FOUND THEN
                reported_rows := 1;
            ELSIF EXISTS (SELECT FROM new_rows OFFSET 1) AND NOT EXISTS (SELECT FROM new_rows OFFSET 100) THEN
                {report_many}
            END IF;
        END IF

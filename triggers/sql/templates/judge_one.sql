-- One positive number has become another, outside the band of today's rule: a deviation, and no long expressions
            -- need be set up to find that out. All else goes the long way, also where the event has a trace context to carry.
            IF one.is_current AND one.value > 0 AND one.value < 'Infinity' AND one.value <> one.previous
               AND one.previous > 0 AND one.previous < 'Infinity'
               AND (current_setting('rtp.traceparent', true) <> '') IS NOT TRUE THEN
                INSERT INTO rtp.event
                    (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at,
                     traceparent, tracestate)
                SELECT {watch}, one.chain, one.entity, one.previous, one.value, 'deviation', CASE
                           WHEN abs(one.value - one.previous) * 100 >= {critical} * one.previous THEN 'critical'
                           WHEN abs(one.value - one.previous) * 100 >= {warning} * one.previous THEN 'warning'
                           ELSE 'info'
                       END, {confidence}, {provenance}, {changed_at}, NULL, NULL
                FROM new_rows AS r;
                reach := greatest(one.value * {percent} * 0.01, {min_change});
                UPDATE rtp.baseline AS b
                SET value = one.value, reported_at = clock_timestamp(),
                    lower = greatest(one.value - reach, 0), upper = one.value + reach
                WHERE b.watch = {watch} AND b.chain = one.chain AND b.entity = one.entity;
                reported_rows := 1;
                is_done := true;
            END IF;

SELECT n.*, b.value AS previous, rtp.verdict(b.value, n.value, n.percent, n.min_change) AS reason
            INTO one
            FROM ({new_sample}) AS n
            JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = n.chain AND b.entity = n.entity;
            IF one.reason IS NOT NULL THEN
                INSERT INTO rtp.event
                    (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
                VALUES ({watch}, one.chain, one.entity, one.previous, one.value, one.reason,
                        rtp.severity(one.previous, one.value, one.reason, one.warning, one.critical), one.confidence,
                        one.provenance, one.changed_at);
                UPDATE rtp.baseline AS b
                SET value = one.value, reported_at = clock_timestamp(), rules = {rules},
                    lower = rtp.lower_bound(one.value, one.percent, one.min_change),
                    upper = rtp.upper_bound(one.value, one.percent, one.min_change)
                WHERE b.watch = {watch} AND b.chain = one.chain AND b.entity = one.entity;
                reported_rows := 1;
            ELSE
                UPDATE rtp.baseline AS b
                SET rules = {rules}, lower = rtp.lower_bound(b.value, one.percent, one.min_change),
                    upper = rtp.upper_bound(b.value, one.percent, one.min_change)
                WHERE b.watch = {watch} AND b.chain = one.chain AND b.entity = one.entity AND b.rules <> {rules};
            END IF;

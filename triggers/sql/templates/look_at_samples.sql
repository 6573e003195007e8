SELECT {sample}, CASE WHEN current_setting('rtp.traceparent', true) <> '' THEN rtp.traceparent() END AS traceparent,
                   CASE WHEN current_setting('rtp.traceparent', true) <> '' THEN rtp.tracestate() END AS tracestate,
                   (SELECT count(*) FROM {rows}) AS row_count, ({usable}) IS TRUE AS is_usable, {is_total} AS is_total,
                   -- Who is not to wait long for a lock may meet an upgrade that has locked rtp's tables.
                   ({unless}) IS NOT TRUE AND current_setting('lock_timeout') = '0'
                   AND has_table_privilege('rtp.sample'::regclass, 'INSERT') AND rtp.takes_samples() AS is_safe
            INTO one
            FROM {rows} AS r;

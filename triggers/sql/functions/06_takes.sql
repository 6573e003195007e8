-- Whether rows may be written to rtp's tables where a failure would be the writer's (templates/watch_latest.sql, watch_samples.sql).

-- takes_events, takes_samples: rtp's tables are as the migrations made them: nobody else's constraint, trigger, rule or policy can
-- refuse a row, and no part of the log is missing.
-- IMMUTABLE is a means: PostgreSQL asks once, when it plans a statement, and again when a table of that statement has changed. So
-- only statements that name these tables may ask.
CREATE OR REPLACE FUNCTION rtp.takes_events()
RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
    SELECT count(*) = 5 AND count(*) FILTER (WHERE c.relispartition) = 3
    FROM pg_catalog.pg_class AS c
    WHERE c.oid IN (to_regclass('rtp.baseline'), to_regclass('rtp.event'),
                    to_regclass('rtp.event_0'), to_regclass('rtp.event_1'), to_regclass('rtp.event_2'))
      AND c.relchecks = 0 AND NOT (c.relhastriggers OR c.relhasrules OR c.relrowsecurity)
$$;

CREATE OR REPLACE FUNCTION rtp.takes_samples()
RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
    SELECT count(*) = 4 AND count(*) FILTER (WHERE c.relispartition) = 3
    FROM pg_catalog.pg_class AS c
    WHERE c.oid IN (to_regclass('rtp.sample'),
                    to_regclass('rtp.sample_0'), to_regclass('rtp.sample_1'), to_regclass('rtp.sample_2'))
      AND c.relchecks = 0 AND NOT (c.relhastriggers OR c.relhasrules OR c.relrowsecurity)
      AND (c.relispartition OR has_table_privilege(c.oid, 'INSERT'))
$$;

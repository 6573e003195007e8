-- The functions that every compiled trigger shares. Run at every installation: they hold no data.

-- verdict: is the step from previous to current significant?
--   previous    the value last reported (or the previous row's)
--   current     the value now
--   percent     deviation threshold in percent of |previous|
--   min_change  absolute floor, in the value's own unit
-- Returns the reason to report, null where there is none. Writes nothing.
-- One CASE expression, so that the planner inlines it. NaN sorts above Infinity in PostgreSQL: one comparison finds both.
CREATE OR REPLACE FUNCTION rtp.verdict(previous numeric, current numeric, percent numeric, min_change numeric)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN previous = current THEN NULL
        WHEN previous IS NULL AND current IS NULL THEN NULL
        WHEN previous IS NULL THEN 'from_null'
        WHEN current IS NULL THEN 'to_null'
        WHEN abs(current) >= 'Infinity' THEN 'not_finite'
        WHEN abs(previous) >= 'Infinity' THEN 'finite_again'
        WHEN abs(current - previous) < min_change THEN NULL
        WHEN previous = 0 THEN 'from_zero'
        WHEN current = 0 THEN 'to_zero'
        WHEN abs(current - previous) * 100 >= percent * abs(previous) THEN 'deviation'
    END
$$;

-- sane_time: a time that every reader can hold (years 1 to 9999), else the clock's. Writes nothing.
CREATE OR REPLACE FUNCTION rtp.sane_time(moment timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN moment >= '0001-01-02 00:00:00+00' AND moment < '9999-12-31 00:00:00+00' THEN moment
        ELSE statement_timestamp()
    END
$$;

-- sane_confidence: a confidence within 0..1, else the watch's default. Writes nothing.
CREATE OR REPLACE FUNCTION rtp.sane_confidence(confidence double precision, otherwise double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN confidence BETWEEN 0 AND 1 THEN confidence ELSE otherwise END
$$;

-- wake: tell rtp that the log has grown, if rtp sleeps.
-- NOTIFY takes a database-wide lock at commit, which costs busy writers more than half their rate. An awake rtp polls,
-- and holds this advisory lock to say so; only where the lock is free does anyone need telling. It is given back at once,
-- not at commit. No payload: one of 8000 bytes would abort the writer. core/wakeup.py proves that no wake-up is lost.
CREATE OR REPLACE FUNCTION rtp.wake()
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
        PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1);
        PERFORM pg_catalog.pg_notify('rtp_wake', '');
    END IF;
END
$$;

-- note_error: leave a line about what a trigger could not judge; where even that fails, in the server's log.
-- Writes rtp.trigger_error.
CREATE OR REPLACE FUNCTION rtp.note_error(watch text, operation text, sqlstate text, message text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO rtp.trigger_error (watch, operation, sqlstate, message)
    VALUES (note_error.watch, note_error.operation, note_error.sqlstate, pg_catalog.left(note_error.message, 1000));
EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'rtp: watch % could not judge an % (% %), nor note it: %',
        note_error.watch, note_error.operation, note_error.sqlstate, note_error.message, SQLERRM;
END
$$;

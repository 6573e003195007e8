-- What triggers say to the outside: that there is work, and that something went wrong.

-- wake: tell rtp that the log has grown, if rtp sleeps.
-- NOTIFY takes a database-wide lock at commit, which costs busy writers more than half their rate. An awake rtp polls,
-- and holds this advisory lock to say so; only where the lock is free does anyone need telling. It is given back at once,
-- not at commit. No payload: one of 8000 bytes would abort the writer. core/processor/wakeup.py proves that no wake-up is lost.
CREATE OR REPLACE FUNCTION rtp.wake()
RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
        PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1);
        PERFORM pg_catalog.pg_notify('rtp_wake', '');
    END IF;
END
$$;

-- note_error: leave a line about what a trigger could not judge; where even that fails, in the server's log. Of a column that is
-- read by rtp.of_type, PostgreSQL says but that there is no such function.
-- Writes rtp.trigger_error.
CREATE OR REPLACE FUNCTION rtp.note_error(watch text, operation text, sqlstate text, message text)
RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO rtp.trigger_error (watch, operation, sqlstate, message, weight)
    SELECT note_error.watch, note_error.operation, note_error.sqlstate, left(
               CASE WHEN note_error.message LIKE 'function rtp.of_type(%'
                    THEN 'a column is of another type than it was when the watch was installed; run rtp install-triggers: ' ELSE ''
               END || note_error.message, 1000
           ),
           CASE WHEN kept.count < 10000 THEN 1 ELSE 1000 END
    FROM (SELECT coalesce((SELECT max(id) FROM rtp.trigger_error) - (SELECT min(id) FROM rtp.trigger_error), 0) AS count) AS kept
    WHERE kept.count < 10000 OR random() < 0.001;
EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'rtp: watch % could not judge an % (% %), nor note it: %',
        note_error.watch, note_error.operation, note_error.sqlstate, note_error.message, SQLERRM;
END
$$;

-- note_timing: what a statement's triggers took, since `started`; where that cannot be noted, nothing.
-- Writes rtp.trigger_timing.
CREATE OR REPLACE FUNCTION rtp.note_timing(watch smallint, weight integer, rows bigint, events bigint, started timestamptz)
RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds)
    VALUES (note_timing.watch, note_timing.weight, note_timing.rows, note_timing.events,
            extract(microseconds FROM clock_timestamp() - started));
EXCEPTION
WHEN disk_full OR io_error THEN
    RAISE;
WHEN OTHERS THEN
    RAISE LOG 'rtp: could not note what the triggers of watch % took: %', note_timing.watch, SQLERRM;
END
$$;

-- why_unusable: which of chain, entity and value a row cannot be judged for, and why, and what it holds there. `columns` are the
-- user's names of the three, null for a constant; `held` is what the row has in them, the first 2001 characters of it.
CREATE OR REPLACE FUNCTION rtp.why_unusable(columns text[], held text[])
RETURNS text LANGUAGE sql STABLE
AS $$
    SELECT concat_ws(', in the row with ', string_agg(format('the %s (%s) %s', part, name, trouble), ' and ') FILTER (WHERE trouble IS NOT NULL),
               string_agg(format('%s %s', name, quote_nullable(CASE WHEN length(text) > 80 THEN left(text, 77) || '...' ELSE text END)), ', '))
    FROM (
        SELECT part, name, text,
               CASE WHEN part = 'value' THEN CASE WHEN NOT rtp.is_number(text) THEN 'is no number' END
                    WHEN text IS NULL THEN 'is null'
                    WHEN text = '' THEN 'is empty'
                    WHEN NOT rtp.is_name(text) THEN 'is longer than 500 bytes, the most that a name may have'
               END AS trouble
        FROM unnest(ARRAY['chain', 'entity', 'value'], why_unusable.columns, why_unusable.held) AS p (part, name, text)
        WHERE name IS NOT NULL
    ) AS parts
$$;

-- note_unusable: leave a line about so many rows of a statement that have no usable chain, entity or value; `columns` and `held` are
-- of one of them. Writes rtp.trigger_error.
CREATE OR REPLACE FUNCTION rtp.note_unusable(watch text, operation text, rows bigint, columns text[], held text[])
RETURNS void LANGUAGE sql
AS $$
    SELECT rtp.note_error(
        note_unusable.watch, note_unusable.operation, '22023',
        CASE note_unusable.rows WHEN 1 THEN '1 row has no usable chain, entity or value: '
                                ELSE coalesce(note_unusable.rows || ' ', '') || 'rows have no usable chain, entity or value, one of them: '
        END || rtp.why_unusable(note_unusable.columns, note_unusable.held)
    )
$$;

-- skip: leave a line that a row has no usable chain, entity or value: one for each statement and watch; false. The statement that
-- appends the other rows asks it of these, and so need not look at its rows twice. Writes rtp.trigger_error.
CREATE OR REPLACE FUNCTION rtp.skip(watch text, columns text[], held text[])
RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
    statement text := skip.watch || ' ' || extract(epoch FROM statement_timestamp())::text;
BEGIN
    IF current_setting('rtp.skipped', true) IS DISTINCT FROM statement THEN
        PERFORM set_config('rtp.skipped', statement, true);
        PERFORM rtp.note_unusable(skip.watch, 'SAMPLE', NULL, skip.columns, skip.held);
    END IF;
    RETURN false;
END
$$;

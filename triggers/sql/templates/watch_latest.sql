-- Watch {name}: a table with one row per entity, updated in place, and rules that need no memory but the baseline.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event and rtp.baseline, in the writer's transaction. What fails is left in rtp.trigger_error, but for what is said below.
-- Plans are made when the tables are small and kept when they are large: hence no sequential scans, and look-ups by key.
-- The writer's own row locks serialise an entity here: whoever comes second sees the baseline that the first one left, and
-- nobody waits for a lock that the writer had not waited for, but for a look of rtp run's at the same entity.
--
-- A row that has got another key takes its baseline along, before it is judged. That is looked for where the statement may have
-- done so: where an entity of it is not known, or its rules are older, as a deletion leaves them{exchange_note}.
--
-- It judges what it can judge, which is a row that is there, under READ COMMITTED. A row that is gone may come back within the
-- transaction; and above READ COMMITTED the baselines in sight may be older than the row. Both are appended to rtp.sample, and
-- left to rtp run, which asks the table once the transaction has ended (core/judging/looks.py).
--
-- Every block that catches errors is a subtransaction. One that writes takes a transaction id; a transaction with more than 64
-- of them slows every snapshot on the server. So the usual statement reads in a block, for a user's row and table may hold
-- anything, and writes outside of it; where several rows matter it reads them once more there, by columns whose types cannot
-- fail. What it writes then cannot fail for its data (two numbers of a sane size, names that were
-- a baseline's before) nor for how rtp's tables are made (rtp.takes_events). What remains fails the writer: a server out of
-- disk, memory or locks, a lost race against whoever changes rtp's tables by hand (docs/reference/detection.md). All other statements are
-- judged in the block at the end.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan{settings}
AS {quote}
DECLARE
    started       timestamptz := {started};
    is_safe       boolean;
    one           record;
    reported_rows bigint;
    plain_rows    bigint := 0;  -- of several rows, those that have been reported outside of the block
    measured_rows bigint;
    unseen_rows   bigint;
    older_rows    bigint;
    left_rows     bigint := 0;
    made          bigint;
    is_large      boolean;
    is_overtaken  boolean;
    is_renaming   boolean := false;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' OR TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
    {append_samples};
    END IF;

    -- Most statements change nothing that matters, and one look at them is all that they cost: the first row outside its band.
    BEGIN
        {first_touched};{look_for_exchange}
    EXCEPTION
    WHEN disk_full OR io_error OR serialization_failure THEN
        RAISE;
    WHEN OTHERS THEN
        PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
        RETURN NULL;
    END;
    IF NOT FOUND AND started IS NULL{and_none} THEN
        RETURN NULL;
    ELSIF NOT FOUND{and_none} THEN
        reported_rows := 0;
    END IF;
    {report_one};

    FOR attempt IN 1..3 LOOP
        EXIT WHEN reported_rows IS NOT NULL;
        BEGIN
            reported_rows := plain_rows;
            left_rows := 0;
            -- A small statement's plan is kept, an index look-up per row. A large one is worth plans of its own, made for
            -- as many rows as it has: they read the baselines once, and hash.
            is_large := EXISTS (SELECT FROM new_rows OFFSET 100);
            {look_for_renamed}IF is_renaming THEN
                EXECUTE {rare}('rename') INTO made;
                reported_rows := reported_rows + made;
                EXECUTE {rare}('leave lost');
                GET DIAGNOSTICS left_rows = ROW_COUNT;
            END IF;
            FOR pass IN 1..2 LOOP
                IF is_large THEN
                    EXECUTE {rare}('judge') INTO made, unseen_rows, older_rows, is_overtaken;
                ELSE
                    {judge};
                END IF;
                IF is_overtaken THEN
                    RAISE 'somebody else moves baselines' USING ERRCODE = 'RTP01';
                END IF;
                reported_rows := reported_rows + made;
                EXIT WHEN unseen_rows = 0 OR TG_OP = 'INSERT' OR pass = 2;

                -- Rows from before the installation: what they held before this statement is their baseline. Then, again.
                EXECUTE {rare}('baselines before');
            END LOOP;
            IF unseen_rows > 0 THEN
                EXECUTE {rare}('first sightings') INTO made;
                reported_rows := reported_rows + made;
            END IF;
            {note_unusable}{look_ahead}
        EXCEPTION
        WHEN disk_full OR io_error OR serialization_failure THEN
            RAISE;  -- the event cannot be kept: the writer's transaction fails, rather than commit without it
        WHEN OTHERS THEN
            IF SQLSTATE = 'RTP01' AND attempt < 3 THEN
                reported_rows := NULL;  -- judged again, by what the look has left
            ELSE
                PERFORM rtp.note_error({name_literal}, TG_OP, SQLSTATE, SQLERRM);
                reported_rows := plain_rows;
                left_rows := 0;
            END IF;
        END;
    END LOOP;

    IF reported_rows + left_rows > 0 THEN
        -- What rtp.wake asks first, asked here, spares the call while rtp is awake.
        IF pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
            PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1), rtp.wake();
        END IF;
    END IF;
    {measure}
    RETURN NULL;
END
{quote};

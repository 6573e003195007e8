-- What rtp run does besides delivering: it judges the samples that triggers left.

-- judge_waiting: judge waiting samples, per entity by time, then id; about max_samples, and of one entity at
-- most max_samples_per_entity.
-- Entities whose baseline some transaction has locked are passed over until the next call: nobody waits, nor does the rest.
-- Returns how many samples were judged, how many events that made, and whether there is more to do at once.
-- Writes rtp.baseline, rtp.event, rtp.quarantine, rtp.trigger_error; deletes from rtp.sample. Call it in its own transaction.
CREATE OR REPLACE FUNCTION rtp.judge_waiting(
    max_samples integer, max_samples_per_entity integer, OUT judged integer, OUT events integer, OUT has_more boolean
)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
-- The value of now is read from the user's table, which a long ALTER TABLE may hold.
SET lock_timeout = '50ms'
AS $$
BEGIN
    IF NOT rtp.is_only_judge() THEN
        judged := 0;
        events := 0;
        has_more := false;
        RETURN;
    END IF;
    BEGIN
        SELECT j.* INTO judged, events, has_more FROM rtp.judge_entities(max_samples, max_samples_per_entity, false) AS j;
    EXCEPTION WHEN OTHERS THEN
        -- Once more, with a savepoint around each entity and sample, so that one that fails holds up no other. Not at once like
        -- this: each savepoint takes a transaction id, and more than 64 of them slow every snapshot in the database.
        SELECT j.* INTO judged, events, has_more FROM rtp.judge_entities(max_samples, max_samples_per_entity, true) AS j;
    END;
END
$$;

-- is_only_judge: take the right to judge, until the transaction ends. There is one judge: an rtp run that takes over may overlap
-- with the one before it, and two could meet in a first sighting, which has no baseline to lock yet.
CREATE OR REPLACE FUNCTION rtp.is_only_judge()
RETURNS boolean LANGUAGE sql
AS $$
    SELECT pg_try_advisory_xact_lock(7500912, 4)
$$;

-- judge_entities: the same, entity by entity.
--   is_careful   what fails is noted, and passed over
CREATE OR REPLACE FUNCTION rtp.judge_entities(
    max_samples integer, max_samples_per_entity integer, is_careful boolean,
    OUT judged integer, OUT events integer, OUT has_more boolean
)
LANGUAGE plpgsql
AS $$
DECLARE
    all_ended_below xid8 := pg_snapshot_xmin(pg_current_snapshot());
    locked_watches  smallint[] := '{}';
    waiting         record;
    made            record;
BEGIN
    judged := 0;
    events := 0;
    has_more := false;
    FOR waiting IN
        -- Every entity once, by hopping along the index: one with very many samples must not be read to its end.
        WITH RECURSIVE entity AS (
            (SELECT s.watch, s.chain, s.entity FROM rtp.sample AS s ORDER BY s.watch, s.chain, s.entity LIMIT 1)
            UNION ALL
            SELECT further.* FROM entity AS e CROSS JOIN LATERAL (
                SELECT s.watch, s.chain, s.entity FROM rtp.sample AS s
                WHERE (s.watch, s.chain, s.entity) > (e.watch, e.chain, e.entity)
                ORDER BY s.watch, s.chain, s.entity LIMIT 1
            ) AS further
        )
        SELECT e.watch, e.chain, e.entity, w.name
        FROM entity AS e JOIN rtp.watch AS w ON w.id = e.watch AND w.removed_at IS NULL
        WHERE EXISTS (
            SELECT FROM rtp.sample AS s
            WHERE s.watch = e.watch AND s.chain = e.chain AND s.entity = e.entity
              AND (s.recheck_after IS NULL OR s.recheck_after < all_ended_below)
        )
    LOOP
        EXIT WHEN judged >= max_samples;
        CONTINUE WHEN waiting.watch = ANY (locked_watches);
        IF is_careful THEN
            BEGIN
                made := rtp.judge_entity(
                    waiting.watch, waiting.chain, waiting.entity, waiting.name, max_samples_per_entity, is_careful);
            EXCEPTION
                WHEN lock_not_available THEN
                    locked_watches := locked_watches || waiting.watch;
                    CONTINUE;
                WHEN OTHERS THEN
                    -- Something is broken, not the data: the samples stay until it is mended.
                    PERFORM rtp.note_stuck(waiting.name, SQLSTATE, SQLERRM);
                    CONTINUE;
            END;
        ELSE
            made := rtp.judge_entity(
                waiting.watch, waiting.chain, waiting.entity, waiting.name, max_samples_per_entity, is_careful);
        END IF;
        judged := judged + made.judged;
        events := events + made.events;
        has_more := has_more OR made.judged >= max_samples_per_entity;
    END LOOP;
    has_more := has_more OR judged >= max_samples;
END
$$;

-- judge_entity: the same for one entity. In a table of history ticks come in order; in one updated in place they come last, as
-- they look at the value of now, which must not overtake the samples that led to it.
CREATE OR REPLACE FUNCTION rtp.judge_entity(
    of_watch smallint, of_chain text, of_entity text, watch_name text, max_samples integer, is_careful boolean,
    OUT judged integer, OUT events integer
)
LANGUAGE plpgsql
AS $$
DECLARE
    sample rtp.sample;
    watch_rule record;
BEGIN
    judged := 0;
    events := 0;
    PERFORM FROM rtp.baseline AS b
    WHERE b.watch = of_watch AND b.chain = of_chain AND b.entity = of_entity
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (
        SELECT FROM rtp.baseline AS b WHERE b.watch = of_watch AND b.chain = of_chain AND b.entity = of_entity
    ) THEN
        RETURN;
    END IF;

    -- The watch's compiled half: its rule for this entity, and its shape.
    EXECUTE format('SELECT * FROM rtp.%I($1, $2)', 'rule_' || watch_name) INTO watch_rule USING of_chain, of_entity;
    FOR sample IN
        SELECT s.* FROM rtp.sample AS s
        WHERE s.watch = of_watch AND s.chain = of_chain AND s.entity = of_entity AND (s.what <> 'tick' OR watch_rule.is_history)
        ORDER BY s.sampled_at, s.id LIMIT max_samples
    LOOP
        events := events + rtp.judge_one(sample, watch_name, watch_rule.rule, watch_rule.rules, watch_rule.is_history,
                                         watch_rule.by_previous_row, is_careful);
        judged := judged + 1;
    END LOOP;
    IF watch_rule.is_history OR judged >= max_samples THEN
        RETURN;
    END IF;
    FOR sample IN
        SELECT s.* FROM rtp.sample AS s
        WHERE s.watch = of_watch AND s.chain = of_chain AND s.entity = of_entity AND s.what = 'tick'
          AND (s.recheck_after IS NULL OR s.recheck_after < pg_snapshot_xmin(pg_current_snapshot()))
        ORDER BY s.id
    LOOP
        events := events + rtp.judge_one(sample, watch_name, watch_rule.rule, watch_rule.rules, watch_rule.is_history,
                                         watch_rule.by_previous_row, is_careful);
        judged := judged + 1;
    END LOOP;
END
$$;

-- judge_one: the same for one sample or tick; returns how many events that made.
-- A sample that cannot be judged whatever is tried (its numbers overflow, say) is noted and done with; a tick comes again.
CREATE OR REPLACE FUNCTION rtp.judge_one(
    sample rtp.sample, watch_name text, rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean,
    is_careful boolean
)
RETURNS integer LANGUAGE plpgsql
AS $$
DECLARE
    state rtp.baseline;
BEGIN
    IF is_careful THEN
        BEGIN
            RETURN rtp.judge_one(sample, watch_name, rule, rules, is_history, by_previous_row, false);
        EXCEPTION
            WHEN lock_not_available THEN
                RAISE;
            WHEN OTHERS THEN
                IF sample.what = 'tick' THEN
                    PERFORM rtp.postpone_tick(sample);
                ELSIF SQLSTATE LIKE '22%' THEN
                    DELETE FROM rtp.sample AS s WHERE s.id = sample.id;
                ELSE
                    RAISE;
                END IF;
                PERFORM rtp.note_error(watch_name, 'JUDGE', SQLSTATE, SQLERRM);
                RETURN 0;
        END;
    END IF;
    SELECT b.* INTO state FROM rtp.baseline AS b
    WHERE b.watch = sample.watch AND b.chain = sample.chain AND b.entity = sample.entity;
    -- Events of this sample are its writer's, also in their trace context.
    PERFORM set_config('rtp.traceparent', coalesce(sample.traceparent, ''), true),
            set_config('rtp.tracestate', coalesce(sample.tracestate, ''), true);
    IF sample.what = 'tick' THEN
        RETURN rtp.take_tick(sample, state, watch_name, rule, rules, is_history, by_previous_row);
    END IF;
    DELETE FROM rtp.sample AS s WHERE s.id = sample.id;
    RETURN rtp.take(sample, state, sample.what, rule, rules, is_history, by_previous_row);
END
$$;

-- note_stuck: note an error that comes again with every call, once a minute and watch. Writes rtp.trigger_error.
CREATE OR REPLACE FUNCTION rtp.note_stuck(watch_name text, sqlstate text, message text)
RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM rtp.trigger_error AS e
        WHERE e.watch = watch_name AND e.operation = 'JUDGE' AND e.occurred_at > clock_timestamp() - interval '1 minute'
    ) THEN
        PERFORM rtp.note_error(watch_name, 'JUDGE', sqlstate, message);
    END IF;
END
$$;

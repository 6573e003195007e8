-- The sample log: what a trigger does not judge itself, rtp run judges in order (core/judging). It is read by windows and
-- emptied by slots as rtp.event is (0001_schema.sql, 0002_rotation.sql, core/sql/log.sql). Migration 7.
--   what         `sample`; `deleted`, the row is gone
--   sampled_at   history: the sample's own time; latest: the database's clock
--   appended_at  since when the sample waits to be judged

ALTER TABLE rtp.sample RENAME TO sample_before;

CREATE SEQUENCE rtp.sample_id AS bigint CACHE 1;

CREATE TABLE rtp.sample (
    id          bigint           NOT NULL DEFAULT nextval('rtp.sample_id'),
    xid         xid8             NOT NULL DEFAULT pg_current_xact_id(),
    watch       smallint         NOT NULL,
    chain       text COLLATE "C" NOT NULL,
    entity      text COLLATE "C" NOT NULL,
    what        text             NOT NULL DEFAULT 'sample',
    value       numeric,
    sampled_at  timestamptz      NOT NULL,
    changed_at  timestamptz,
    confidence  double precision NOT NULL,
    provenance  text,
    traceparent text             DEFAULT rtp.traceparent(),
    tracestate  text             DEFAULT rtp.tracestate(),
    appended_at timestamptz      NOT NULL DEFAULT clock_timestamp()
) PARTITION BY LIST (((id >> 18) % 3));
CREATE TABLE rtp.sample_0 PARTITION OF rtp.sample FOR VALUES IN (0) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rtp.sample_1 PARTITION OF rtp.sample FOR VALUES IN (1) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rtp.sample_2 PARTITION OF rtp.sample FOR VALUES IN (2) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE UNIQUE INDEX sample_0_id ON rtp.sample_0 (id);
CREATE UNIQUE INDEX sample_1_id ON rtp.sample_1 (id);
CREATE UNIQUE INDEX sample_2_id ON rtp.sample_2 (id);
CREATE INDEX sample_xid_id ON rtp.sample (xid, id);

-- What waited, in the order in which it would have been judged. Where a tick waited, time is to be looked at again.
INSERT INTO rtp.sample
    (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance, traceparent, tracestate)
SELECT watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance, traceparent, tracestate
FROM rtp.sample_before WHERE what <> 'tick' ORDER BY sampled_at, id;

UPDATE rtp.baseline AS b SET due_at = now()
FROM (SELECT DISTINCT watch, chain, entity FROM rtp.sample_before WHERE what = 'tick') AS tick
WHERE b.watch = tick.watch AND b.chain = tick.chain AND b.entity = tick.entity;

-- The judge in SQL goes: with the types of its arguments, nearly all of it.
DROP TABLE rtp.sample_before CASCADE;
DROP TYPE rtp.rule CASCADE;
DROP FUNCTION IF EXISTS
    rtp.judge_waiting(integer, integer), rtp.judge_entities(integer, integer, boolean),
    rtp.judge_entity(smallint, text, text, text, integer, boolean), rtp.is_only_judge(), rtp.note_stuck(text, text, text),
    rtp.put_ticks(integer), rtp.value_now(text, text, text, numeric), rtp.later(timestamptz, interval);

-- How far samples are judged, as rtp.cursor says it of a sink. Watch 0 stands for all watches without a row of their own; a watch
-- that has fallen behind has one until it has caught up.
CREATE TABLE rtp.judge_cursor (
    watch        smallint    PRIMARY KEY,
    snapshot     pg_snapshot NOT NULL,
    until        pg_snapshot,
    after_id     bigint      NOT NULL DEFAULT 0,
    floor_id     bigint      NOT NULL DEFAULT 0,
    -- Within the piece (after_id, piece_end] of its window, which is judged entity by entity: the last sample judged.
    piece_end    bigint,
    after_chain  text COLLATE "C",
    after_entity text COLLATE "C",
    after_at     timestamptz,
    after_sample bigint,
    epoch        bigint      NOT NULL DEFAULT 0,
    table_oid    oid         NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);

-- Nothing is judged so far. (A snapshot of this moment could see this transaction's own samples as passed.)
INSERT INTO rtp.judge_cursor (watch, snapshot, table_oid) VALUES (0, '1:1:', 'rtp.judge_cursor'::regclass);

-- Counts the installations that changed anything: whoever keeps baselines or settings in memory asks whether they still hold.
ALTER TABLE rtp.installation ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- Whether the watch's trigger only appends samples, or judges by itself.
ALTER TABLE rtp.watch ADD COLUMN is_sampled boolean NOT NULL DEFAULT false;

-- What rtp needs to see that it has gone blind, and to tell of each value what its own row says. Migration 8.

-- What a watch was installed on, so that rtp run can tell whether it still sees every write (core/sql/arming.sql): the table, the
-- triggers that each of its tables needs, the types of the columns, and the trigger function's source. An installation notes it.
--   noted_in     the oid of rtp.watch itself: a dump restored elsewhere makes new tables, and table_oid means nothing there
--   missed_since since when writes may have been missed that no installation has seen to; rtp run notes it
ALTER TABLE rtp.watch
    ADD COLUMN table_oid    oid,
    ADD COLUMN noted_in     oid,
    ADD COLUMN triggers     text[],
    ADD COLUMN column_types jsonb,
    ADD COLUMN source_md5   text,
    ADD COLUMN installed_at timestamptz,
    ADD COLUMN missed_since timestamptz;
UPDATE rtp.watch AS w SET table_oid = c.oid, noted_in = w.tableoid
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE w.removed_at IS NULL AND c.relkind IN ('r', 'p')
  AND w.table_name IN (n.nspname || '.' || c.relname, CASE n.nspname WHEN 'public' THEN c.relname END);

-- The leader's session: its process id alone may be somebody else's by now. Who leads while this runs goes on leading.
ALTER TABLE rtp.leader ADD COLUMN backend_start timestamptz;
UPDATE rtp.leader AS l SET backend_start = s.backend_start
FROM pg_stat_activity AS s
WHERE s.pid = l.backend_pid AND s.datname = current_database() AND s.application_name = 'rtp leader';

-- What the rows of the newest value and of the newest jump in quarantine say of themselves: null where they say nothing.
-- lag is how far the newest sample's own time lay behind its arrival: by so much the entity's clock lags behind the server's.
ALTER TABLE rtp.baseline
    ADD COLUMN last_changed_at    timestamptz,
    ADD COLUMN last_confidence    double precision,
    ADD COLUMN last_provenance    text,
    ADD COLUMN suspect_changed_at timestamptz,
    ADD COLUMN suspect_confidence double precision,
    ADD COLUMN suspect_provenance text,
    ADD COLUMN lag                interval;

-- Null where nothing is known of the row: it is gone.
ALTER TABLE rtp.sample ALTER COLUMN confidence DROP NOT NULL;

-- Rows that moved nothing, by no mistake of the rules: of a time too far ahead (`future`), or older than what is known (`late`).
-- A line may stand for many: `weight` of them, the last one as an example.
CREATE TABLE rtp.set_aside (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    watch    smallint    NOT NULL,
    why      text        NOT NULL,
    chain    text COLLATE "C" NOT NULL,
    entity   text COLLATE "C" NOT NULL,
    value    numeric,
    at       timestamptz,
    weight   bigint      NOT NULL DEFAULT 1,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- An entity whose row is gone, and is reported as deleted unless it comes back: since when, and in which transaction it went.
-- Of metadata, also what its row held: whoever inserts it again has changed it.
ALTER TABLE rtp.baseline
    ADD COLUMN gone_at  timestamptz,
    ADD COLUMN gone_xid xid8,
    ADD COLUMN fields   jsonb;

-- Of metadata: what a row held that is gone, where its baseline was not to be touched.
ALTER TABLE rtp.sample ADD COLUMN fields jsonb;

-- Entities whose table rtp run is to look at again (core/judging/looks.py says when, and why that is enough).
--   waits_for  the writers that must have ended first; null where nobody has asked yet who they are
--   gone_at    since when the row was known to be gone, and what it said of itself; of metadata, what it held
CREATE TABLE rtp.look (
    watch           smallint    NOT NULL,
    chain           text COLLATE "C" NOT NULL,
    entity          text COLLATE "C" NOT NULL,
    waits_for       xid8[],
    try_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    noted_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    gone_at         timestamptz,
    gone_confidence double precision,
    gone_provenance text,
    fields          jsonb,
    PRIMARY KEY (watch, chain, entity)
);
-- A table that is emptied leaves a look for each of its rows: the next ones are found without reading all.
CREATE INDEX look_unasked ON rtp.look (try_at) WHERE waits_for IS NULL;
CREATE INDEX look_due ON rtp.look (try_at) WHERE waits_for IS NOT NULL;

-- A trigger reports nothing of a row that is gone.
DROP FUNCTION IF EXISTS rtp.forget(smallint, text[], text[], double precision, text);

-- A log begins, and goes on after a restore, above every id that any log before it gave. Ids from from_id to to_id were left out
-- then; until then the log was called former_log_id, null for one that begins.
CREATE TABLE rtp.log_jump (
    from_id       bigint      NOT NULL,
    to_id         bigint      NOT NULL,
    former_log_id text,
    jumped_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO rtp.log_jump (from_id, to_id)
SELECT 0, setval('rtp.event_id', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
WHERE pg_sequence_last_value('rtp.event_id'::regclass) IS NULL;

-- rtp's own schema, top to bottom: who is installed, what is watched, the log, the baselines, the cursors, and the
-- dead letters. Everything rtp writes to a database lives in the schema rtp. Migration 1.

-- An empty one that somebody else has made for rtp will do, and stays his.
DO $schema$
BEGIN
    IF to_regnamespace('rtp') IS NULL THEN
        CREATE SCHEMA rtp;
        COMMENT ON SCHEMA rtp IS 'rtp: log, baselines and cursors of the real-time event processor';
        REVOKE ALL ON SCHEMA rtp FROM PUBLIC;
    END IF;
END
$schema$;

-- This installation. log_id tells two logs apart whose ids and transactions happen to be the same.
CREATE TABLE rtp.installation (
    only_row       boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id         text        NOT NULL DEFAULT left(md5(gen_random_uuid()::text), 12),
    schema_version integer     NOT NULL,
    functions_md5  text        NOT NULL DEFAULT '',
    installed_at   timestamptz NOT NULL DEFAULT now()
);

-- The watches that have triggers, or had them: a removed watch stays while the log may still name it.
CREATE TABLE rtp.watch (
    id          smallint    PRIMARY KEY,
    name        text        NOT NULL UNIQUE,
    kind        text        NOT NULL,
    table_name  text        NOT NULL,
    settings    jsonb       NOT NULL,      -- the YAML it was compiled from
    function_md5 text       NOT NULL,      -- what it was compiled to
    rules       integer     NOT NULL,      -- how often its rules have changed
    removed_at  timestamptz
);

-- The log. Rows are appended by the triggers in the writer's own transaction and never changed.
-- A reader's position is a snapshot, not an id (core/sql/log.sql says why); hence the xid of each row.
-- CACHE 1: an id must be drawn after every id that was visible before, and cached ids would not be.
CREATE SEQUENCE rtp.event_id AS bigint CACHE 1;

CREATE TABLE rtp.event (
    id          bigint           NOT NULL DEFAULT nextval('rtp.event_id') PRIMARY KEY,
    xid         xid8             NOT NULL DEFAULT pg_current_xact_id(),
    watch       smallint         NOT NULL,
    chain       text             NOT NULL,
    entity      text             NOT NULL,
    previous    numeric,
    current     numeric,
    fields      jsonb,
    reason      text             NOT NULL,
    severity    text             NOT NULL DEFAULT 'info',
    duration    interval,
    confidence  double precision NOT NULL,
    provenance  text,
    changed_at  timestamptz      NOT NULL,
    detected_at timestamptz      NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_insert_threshold = 1000000);
CREATE INDEX event_xid_id ON rtp.event (xid, id);

-- A rule, as it applies to one entity. An absent part is null.
CREATE TYPE rtp.rule AS (
    percent              numeric,
    min_change           numeric,
    heartbeat            interval,
    cooldown             interval,
    emit_first           boolean,
    warning              numeric,
    critical             numeric,
    glitch_factor        numeric,
    glitch_confirmations integer,
    glitch_release       interval,
    peg                  numeric,
    peg_bps              numeric
);

-- What rtp remembers of each entity; the rule book says what each rule makes of it.
-- Between lower and upper (both exclusive) there is nothing to report, which is all that most writes ever ask. The band
-- holds for one revision of the watch's rules, and is null where only a closer look can tell.
CREATE TABLE rtp.baseline (
    watch         smallint    NOT NULL,
    chain         text COLLATE "C" NOT NULL,
    entity        text COLLATE "C" NOT NULL,
    value         numeric,                 -- as last reported
    reported_at   timestamptz NOT NULL,
    rules         integer     NOT NULL,
    lower         numeric,
    upper         numeric,
    last_value    numeric,                 -- the newest value judged, reported or not
    sampled_at    timestamptz,             -- history: its time
    is_held       boolean     NOT NULL DEFAULT false,  -- a deviation waits for the cooldown to end
    suspect_value numeric,                 -- glitch guard: the newest jump in quarantine
    suspect_since timestamptz,
    suspect_count integer     NOT NULL DEFAULT 0,
    off_peg_since timestamptz,
    due_at        timestamptz,             -- when rtp run must look again though nobody writes
    PRIMARY KEY (watch, chain, entity)
) WITH (fillfactor = 70);
CREATE INDEX baseline_due_at ON rtp.baseline (due_at) WHERE due_at IS NOT NULL;

-- Samples that a trigger could not judge at once: it never waits for a lock, nor works without bounds. rtp run judges
-- them, per entity by time, then id. While an entity has one, all its samples come here, so that none overtakes another.
--   what   `sample`; `deleted`, the row is gone; `tick`, time has passed: look at the value of now
CREATE TABLE rtp.sample (
    id            bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    watch         smallint         NOT NULL,
    chain         text COLLATE "C" NOT NULL,
    entity        text COLLATE "C" NOT NULL,
    what          text             NOT NULL DEFAULT 'sample',
    value         numeric,
    sampled_at    timestamptz      NOT NULL,
    changed_at    timestamptz      NOT NULL,
    confidence    double precision NOT NULL,
    provenance    text,
    recheck_after xid8
);
CREATE INDEX sample_entity ON rtp.sample (watch, chain, entity, sampled_at, id);

-- Every jump that the glitch guard held back, and what became of it: quarantined, confirmed, dismissed, released.
CREATE TABLE rtp.quarantine (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    watch    smallint    NOT NULL,
    chain    text        NOT NULL,
    entity   text        NOT NULL,
    what     text        NOT NULL,
    baseline numeric,
    value    numeric,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- How far each sink has got: all that `snapshot` sees is delivered, and of what `until` sees besides, ids up to after_id.
CREATE TABLE rtp.cursor (
    sink       text        PRIMARY KEY,
    snapshot   pg_snapshot NOT NULL,
    until      pg_snapshot,
    after_id   bigint      NOT NULL DEFAULT 0,
    floor_id   bigint      NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);

-- Events that a sink can never take.
CREATE TABLE rtp.dead_letter (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sink        text        NOT NULL,
    event_id    bigint      NOT NULL,
    event       jsonb       NOT NULL,
    error       text        NOT NULL,
    attempts    integer     NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a trigger could not judge at all. It never aborts the writer; it leaves a line here. Beyond some thousands of
-- lines only one in a thousand is written, and weighs as much.
CREATE TABLE rtp.trigger_error (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    watch       text        NOT NULL,
    operation   text        NOT NULL,
    sqlstate    text        NOT NULL,
    message     text        NOT NULL,
    weight      integer     NOT NULL DEFAULT 1,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the triggers cost, a line per measured statement; `weight` statements stand behind each.
CREATE UNLOGGED TABLE rtp.trigger_timing (
    watch        smallint    NOT NULL,
    weight       integer     NOT NULL,
    rows         bigint,
    events       bigint      NOT NULL,
    microseconds bigint      NOT NULL,
    measured_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

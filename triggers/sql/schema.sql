-- rtp's own schema, top to bottom: who is installed, what is watched, the log, the baselines, the cursors, and the
-- dead letters. Everything rtp writes to a database lives in the schema rtp. Run once, inside the installer's transaction.

CREATE SCHEMA rtp;
COMMENT ON SCHEMA rtp IS 'rtp: log, baselines and cursors of the real-time event processor';
REVOKE ALL ON SCHEMA rtp FROM PUBLIC;

-- This installation. log_id tells two logs apart whose ids and transactions happen to be the same.
CREATE TABLE rtp.installation (
    only_row       boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id         text        NOT NULL DEFAULT left(md5(gen_random_uuid()::text), 12),
    schema_version integer     NOT NULL,
    installed_at   timestamptz NOT NULL DEFAULT now()
);

-- The watches that have triggers, or had them: a removed watch stays while the log may still name it.
CREATE TABLE rtp.watch (
    id          smallint    PRIMARY KEY,
    name        text        NOT NULL UNIQUE,
    kind        text        NOT NULL,
    table_name  text        NOT NULL,
    definition  jsonb       NOT NULL,
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
    confidence  double precision NOT NULL,
    provenance  text,
    changed_at  timestamptz      NOT NULL,
    detected_at timestamptz      NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_insert_threshold = 1000000);
CREATE INDEX event_xid_id ON rtp.event (xid, id);

-- What each entity was last reported with. A trigger compares with it and moves it.
CREATE TABLE rtp.baseline (
    watch       smallint    NOT NULL,
    chain       text        NOT NULL,
    entity      text        NOT NULL,
    value       numeric,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (watch, chain, entity)
) WITH (fillfactor = 70);

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

-- What a trigger could not judge. It never aborts the writer; it leaves a line here.
CREATE TABLE rtp.trigger_error (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    watch       text        NOT NULL,
    operation   text        NOT NULL,
    sqlstate    text        NOT NULL,
    message     text        NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

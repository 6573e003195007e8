-- What rules with a memory of more than a value remember of an entity, what only some events tell, and who was called otherwise.
-- Migration 10.

-- memory: core/detection/memory.py spells it; null where there is nothing.
ALTER TABLE rtp.baseline ADD COLUMN memory jsonb;

-- details: attributes of the event's data by their names, such as since when a price is off its peg; null where there are none.
ALTER TABLE rtp.event ADD COLUMN details jsonb;
ALTER TABLE rtp.latest_event ADD COLUMN details jsonb;

-- Market-wide moves: what is remembered of each watch, as core/detection/market.py spells it.
CREATE TABLE rtp.market (
    watch  smallint PRIMARY KEY,
    memory jsonb    NOT NULL
);

-- Entities that were called otherwise: what was told of the former name, up to the event of this id, was told of them. xid is the
-- transaction that has noted it: of several names that an entity has in one transaction, the last one alone is told.
CREATE TABLE rtp.rename (
    watch         smallint    NOT NULL,
    former_chain  text COLLATE "C" NOT NULL,
    former_entity text COLLATE "C" NOT NULL,
    chain         text COLLATE "C" NOT NULL,
    entity        text COLLATE "C" NOT NULL,
    event_id      bigint      NOT NULL,
    renamed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid           xid8        NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (watch, former_chain, former_entity, event_id)
);
CREATE INDEX rename_to ON rtp.rename (watch, chain, entity);

-- source: which of an entity's sources says so, where the watch maps a column for it.
ALTER TABLE rtp.sample ADD COLUMN source text;

-- `renamed`: the row that had the former names has these now. Where a statement gives names on that its other rows had, all are
-- renamed in two steps, and in between an entity stands under the chain '', which is no row's, and the text of what it was called.
ALTER TABLE rtp.sample
    ADD COLUMN former_chain  text COLLATE "C",
    ADD COLUMN former_entity text COLLATE "C";

-- Renames that rtp run has read, and cannot make yet, as somebody keeps one of the baselines: id is their sample's.
CREATE TABLE rtp.waiting_rename (
    id            bigint      PRIMARY KEY,
    watch         smallint    NOT NULL,
    chain         text COLLATE "C" NOT NULL,
    entity        text COLLATE "C" NOT NULL,
    former_chain  text COLLATE "C" NOT NULL,
    former_entity text COLLATE "C" NOT NULL,
    xid           xid8        NOT NULL,
    confidence    double precision NOT NULL,
    provenance    text,
    changed_at    timestamptz NOT NULL,
    fields        jsonb
);

-- The version of the rtp that has installed something last, for people.
ALTER TABLE rtp.installation ADD COLUMN installed_by text;

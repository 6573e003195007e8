-- The log's space. rtp.event becomes three tables of one shape, so that one can be emptied by TRUNCATE while the others
-- are written; core/sql/rotation.sql says when. Migration 2.
-- An id alone decides where its row goes: 262,144 ids to a block, blocks to the three slots in turn. Measured, the routing
-- costs a writer 1 µs per event. The log is copied here, and writers of events wait for that: 2 s for a million.

ALTER TABLE rtp.event RENAME TO event_before;
ALTER TABLE rtp.event_before RENAME CONSTRAINT event_pkey TO event_before_pkey;
ALTER INDEX rtp.event_xid_id RENAME TO event_before_xid_id;

CREATE TABLE rtp.event (LIKE rtp.event_before INCLUDING DEFAULTS) PARTITION BY LIST (((id >> 18) % 3));

-- No vacuum for the sake of inserts: nothing is ever updated or deleted here, and a slot is empty again before it pays.
CREATE TABLE rtp.event_0 PARTITION OF rtp.event FOR VALUES IN (0) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rtp.event_1 PARTITION OF rtp.event FOR VALUES IN (1) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rtp.event_2 PARTITION OF rtp.event FOR VALUES IN (2) WITH (autovacuum_vacuum_insert_threshold = -1);

INSERT INTO rtp.event SELECT * FROM rtp.event_before ORDER BY id;
DROP TABLE rtp.event_before;

-- Per slot: PostgreSQL knows no unique key across tables that are divided by an expression. The sequence is one.
CREATE UNIQUE INDEX event_0_id ON rtp.event_0 (id);
CREATE UNIQUE INDEX event_1_id ON rtp.event_1 (id);
CREATE UNIQUE INDEX event_2_id ON rtp.event_2 (id);
CREATE INDEX event_xid_id ON rtp.event (xid, id);

-- The newest event of each entity among those that a rotation has removed: with the log, the newest of every entity.
CREATE TABLE rtp.latest_event (
    LIKE rtp.event,
    PRIMARY KEY (watch, chain, entity)
) WITH (fillfactor = 80);

-- In which table the cursor was saved. A dump restored elsewhere makes new tables, and the snapshots in it mean nothing there.
ALTER TABLE rtp.cursor ADD COLUMN table_oid oid;
UPDATE rtp.cursor SET table_oid = 'rtp.cursor'::regclass;
ALTER TABLE rtp.cursor ALTER COLUMN table_oid SET NOT NULL;

-- Who leads, of several rtp runs on this database. core/sql/leader.sql says how it is used. Migration 6.

-- One row, renewed some times a second while somebody leads.
CREATE TABLE rtp.leader (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch       bigint      NOT NULL DEFAULT 0,
    host        text,
    pid         integer,
    backend_pid integer,
    lease       interval,
    since       timestamptz,
    renewed_at  timestamptz
) WITH (fillfactor = 10);
INSERT INTO rtp.leader DEFAULT VALUES;

-- The term in which a cursor was last taken up: who leads no more cannot move it.
ALTER TABLE rtp.cursor ADD COLUMN epoch bigint NOT NULL DEFAULT 0;

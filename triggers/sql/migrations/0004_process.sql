-- Every rtp run that is there, with what it alone knows (circuit breakers, retries, what is parked), for `rtp status`. A line
-- that was not renewed for some seconds is of a process that ended without a word. Migration 4.

CREATE TABLE rtp.process (
    host       text        NOT NULL,
    pid        integer     NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    version    text        NOT NULL,
    figures    jsonb       NOT NULL,
    PRIMARY KEY (host, pid)
) WITH (fillfactor = 10);

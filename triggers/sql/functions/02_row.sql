-- Reading a user's row: what it holds may be anything.

-- to_number: the number that a text holds, null where it holds none (is_number tells that from an empty one).
-- In the order of bytes: other collations know more digits and blanks than a number may have, and some know no patterns at all.
CREATE OR REPLACE FUNCTION rtp.is_number(value text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT value IS NULL
        OR length(value) <= 2000
           AND value COLLATE "C" ~* '^\s*([-+]?((\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?|inf(inity)?)|nan)\s*$'
$$;

CREATE OR REPLACE FUNCTION rtp.to_number(value text)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN rtp.is_number(value) THEN value::numeric END
$$;

-- sane_time: a time that every reader can hold (years 1 to 9999), else the time the statement arrived.
CREATE OR REPLACE FUNCTION rtp.sane_time(moment timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN moment >= '0001-01-02 00:00:00+00' AND moment < '9999-12-31 00:00:00+00' THEN moment
        ELSE statement_timestamp()
    END
$$;

-- sane_confidence: a confidence within 0..1, else the watch's default.
CREATE OR REPLACE FUNCTION rtp.sane_confidence(confidence double precision, otherwise double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN confidence BETWEEN 0 AND 1 THEN confidence ELSE otherwise END
$$;

-- is_name: can this be a chain or an entity? Null, empty and enormous names cannot: they would not fit an index.
CREATE OR REPLACE FUNCTION rtp.is_name(name text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT name <> '' AND octet_length(name) <= 500
$$;

-- can_be_read: can a column be read as a type, whatever a row holds? Asked with a null of the column's own type. What is read as
-- text may be of any type that PostgreSQL brings along, or an enum; a domain is read as the type below it.
-- IMMUTABLE is a means, as in rtp.takes_events: it is asked when a statement is planned, and again when its tables have changed.
CREATE OR REPLACE FUNCTION rtp.can_be_read(example anyelement, as_type text)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    is_text boolean := as_type IN ('text', 'character varying', 'character');
BEGIN
    -- A new session waits for this: the catalog is asked for somebody's own types alone.
    IF pg_typeof(example)::oid < 16384 THEN
        RETURN is_text OR pg_typeof(example)::text = as_type;
    END IF;
    RETURN (
        SELECT CASE WHEN is_text THEN below.oid < 16384 OR below.typtype = 'e' ELSE below.oid::regtype::text = as_type END
        FROM pg_catalog.pg_type AS own
        JOIN pg_catalog.pg_type AS below ON below.oid = CASE own.typtype WHEN 'd' THEN own.typbasetype ELSE own.oid END
        WHERE own.oid = pg_typeof(example)
    );
END
$$;

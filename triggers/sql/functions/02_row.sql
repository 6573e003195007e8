-- Reading a user's row: what it holds may be anything.

-- to_number: the number that a text holds, null where it holds none (is_number tells that from an empty one).
-- In the order of bytes: other collations know more digits and blanks than a number may have, and some know no patterns at all.
-- Without a backslash, which means something else in sessions without standard_conforming_strings.
CREATE OR REPLACE FUNCTION rtp.is_number(value text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT value IS NULL
        OR length(value) <= 2000
           AND value COLLATE "C" ~* '^[[:space:]]*([-+]?(([0-9]+([.][0-9]*)?|[.][0-9]+)(e[-+]?[0-9]{1,3})?|inf(inity)?)|nan)[[:space:]]*$'
$$;

CREATE OR REPLACE FUNCTION rtp.to_number(value text)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN rtp.is_number(value) THEN value::numeric END
$$;

-- sane_time: a time that every reader can hold, of the years 1 to 9999. What is later is the last of them, what is earlier or null is
-- the time the statement arrived.
CREATE OR REPLACE FUNCTION rtp.sane_time(moment timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN moment >= '9999-12-31 00:00:00+00' THEN '9999-12-30 00:00:00+00'
        WHEN moment >= '0001-01-02 00:00:00+00' THEN moment
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

-- of_type: the value, where it is of the example's type. For any other type there is no such function, and so whatever cast there is
-- for it is not run: these functions run with the rights of rtp's role, and anybody can give a type of his own a cast.
CREATE OR REPLACE FUNCTION rtp.of_type(value anyelement, example anyelement)
RETURNS anyelement LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT value
$$;

-- is_of_type: the same as a question, which is answered when a statement is planned.
CREATE OR REPLACE FUNCTION rtp.is_of_type(example anyelement, name text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT pg_typeof(example)::text = name
$$;

-- refuse_own_types: an error where one of these columns of a table is of a type that is not the catalog's own.
CREATE OR REPLACE FUNCTION rtp.refuse_own_types(relation oid, columns text[])
RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    other record;
BEGIN
    SELECT attname AS name, atttypid::regtype AS type INTO other
    FROM pg_catalog.pg_attribute
    WHERE attrelid = relation AND attname = ANY (columns) AND atttypid >= 16384;
    IF FOUND THEN
        RAISE 'column % is of type %, which it was not when the watch was installed', other.name, other.type
            USING ERRCODE = 'datatype_mismatch';
    END IF;
END
$$;

-- Tables that are about to be emptied.

-- rows_before_truncate: what a statement about old_rows begins with where a TRUNCATE is to come: the table's rows, by that name.
-- Those of this table alone, as the triggers of its partitions see to theirs; whoever may not read a partition reads it through
-- the table that is watched.
CREATE OR REPLACE FUNCTION rtp.rows_before_truncate(emptied oid, watched text)
RETURNS text LANGUAGE sql STABLE
AS $$
    SELECT 'WITH old_rows AS (SELECT * FROM ' || CASE
        WHEN has_table_privilege(emptied, 'SELECT') THEN 'ONLY ' || emptied::regclass
        ELSE watched || ' WHERE tableoid = ' || emptied
    END || ') '
$$;

-- What the table of watch {name} holds for these entities now; nothing for those that have no row.
CREATE OR REPLACE FUNCTION {function}(chains text[], entities text[])
RETURNS TABLE (chain text, entity text, {what}, confidence double precision, provenance text, changed_at timestamptz)
LANGUAGE sql STABLE{settings}
AS {quote}
    SELECT {parts}
    FROM unnest($1, $2) AS e (chain, entity) JOIN {table} AS r ON {is_of}
{quote};

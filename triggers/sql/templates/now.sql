-- What the table of watch {name} holds for one entity now.
CREATE OR REPLACE FUNCTION {function}(chain text, entity text)
RETURNS SETOF numeric
LANGUAGE sql STABLE{settings}
AS {quote}
    SELECT n.value FROM ({sample}) AS n
    WHERE n.chain = $1 AND n.entity = $2
    ORDER BY n.changed_at DESC LIMIT 1
{quote};

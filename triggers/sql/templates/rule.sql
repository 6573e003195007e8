-- What rtp run must know of watch {name} to judge a sample of one entity: its rule, and how the watch works.
CREATE OR REPLACE FUNCTION {function}(chain text, entity text)
RETURNS TABLE (rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean)
LANGUAGE sql STABLE
AS {quote}
    SELECT {rule}, {rules}, {is_history}, {by_previous_row}
    FROM (SELECT $1 AS chain, $2 AS entity) AS sample
{quote};

-- What the table of watch {name} holds for one entity now.
CREATE OR REPLACE FUNCTION {now}(chain text, entity text)
RETURNS SETOF numeric
LANGUAGE sql STABLE{exact_floats}
AS {quote}
    SELECT n.value FROM ({sample}) AS n
    WHERE n.chain = $1 AND n.entity = $2
    ORDER BY n.changed_at DESC LIMIT 1
{quote};

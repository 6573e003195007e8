-- Where a name that the statement gives was another of its rows', whoever had it steps aside first.
WITH pair AS MATERIALIZED (
    {pairs}
), step AS MATERIALIZED (
    SELECT p.*, EXISTS (SELECT FROM pair AS q WHERE q.chain = p.former_chain AND q.entity = p.former_entity) AS steps_aside
    FROM pair AS p
)
INSERT INTO rtp.sample ({columns}, former_chain, former_entity)
SELECT {aside}, former_chain, former_entity FROM step AS r WHERE steps_aside
UNION ALL
SELECT {renamed}, CASE WHEN steps_aside THEN '' ELSE former_chain END,
       CASE WHEN steps_aside THEN jsonb_build_array(former_chain, former_entity)::text ELSE former_entity END
FROM step AS r
UNION ALL
{written}
UNION ALL
{lost}

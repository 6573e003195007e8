-- Where a name that the statement gives was another of its rows', whoever had it steps aside first.
WITH pair AS MATERIALIZED (
    {pairs}
), step AS MATERIALIZED (
    SELECT p.*, EXISTS (SELECT FROM pair AS q WHERE q.chain = p.former_chain AND q.entity = p.former_entity) AS steps_aside
    FROM pair AS p
)
INSERT INTO rtp.sample
    (watch, what, chain, entity, sampled_at, changed_at, confidence, provenance, fields, former_chain, former_entity)
SELECT {watch}, 'renamed', '', jsonb_build_array(former_chain, former_entity)::text, clock_timestamp(), changed_at, confidence,
       provenance, fields, former_chain, former_entity
FROM step WHERE steps_aside
UNION ALL
SELECT {watch}, 'renamed', chain, entity, clock_timestamp(), changed_at, confidence, provenance, fields,
       CASE WHEN steps_aside THEN '' ELSE former_chain END,
       CASE WHEN steps_aside THEN jsonb_build_array(former_chain, former_entity)::text ELSE former_entity END
FROM step

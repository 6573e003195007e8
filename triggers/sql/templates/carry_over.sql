-- What is remembered under a former name is the entity's of today, and one event tells so. Where the name of today has a baseline
-- of its own, that holds. Nobody writes to the table meanwhile, and no judge to the baselines.
WITH former AS MATERIALIZED (
    SELECT * FROM (
        SELECT b.ctid AS place, b.chain AS former_chain, b.entity AS former_entity, {chain} AS chain, {entity} AS entity, b.value,
               coalesce(b.sampled_at, b.reported_at) AS newest_at, b.last_confidence, b.last_provenance
        FROM rtp.baseline AS b WHERE b.watch = {watch}
    ) AS every
    WHERE (former_chain, former_entity) <> (chain, entity)
), carried AS MATERIALIZED (
    SELECT DISTINCT ON (f.chain, f.entity) f.* FROM former AS f
    WHERE NOT EXISTS (
        SELECT FROM rtp.baseline AS b WHERE b.watch = {watch} AND b.chain = f.chain AND b.entity = f.entity
    )
    ORDER BY f.chain, f.entity, f.newest_at DESC
), moved AS (
    UPDATE rtp.baseline AS b SET chain = c.chain, entity = c.entity FROM carried AS c WHERE b.ctid = c.place
), dropped AS (
    DELETE FROM rtp.baseline AS b USING former AS f
    WHERE b.ctid = f.place AND NOT EXISTS (SELECT FROM carried AS c WHERE c.place = f.place)
), told AS (
    INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, confidence, provenance, changed_at, details)
    SELECT {watch}, chain, entity, value, value, 'renamed', coalesce(last_confidence, {confidence}),
           coalesce(last_provenance, {provenance}), statement_timestamp(),
           jsonb_build_object('previous_chain', former_chain, 'previous_entity', former_entity)
    FROM carried
    RETURNING id, chain, entity
)
INSERT INTO rtp.rename (watch, former_chain, former_entity, chain, entity, event_id)
SELECT {watch}, f.former_chain, f.former_entity, f.chain, f.entity,
       coalesce(t.id, pg_sequence_last_value('rtp.event_id'::regclass), 0)
FROM former AS f LEFT JOIN told AS t USING (chain, entity)
ON CONFLICT DO NOTHING

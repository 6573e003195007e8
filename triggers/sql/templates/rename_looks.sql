-- Looks to be taken under a former name.
WITH former AS (
    DELETE FROM rtp.look AS b WHERE b.watch = {watch} AND (b.chain, b.entity) <> ({chain}, {entity}) RETURNING *
)
INSERT INTO rtp.look
    (watch, chain, entity, waits_for, try_at, noted_at, gone_at, gone_confidence, gone_provenance, fields, gone_xid)
SELECT b.watch, {chain}, {entity}, b.waits_for, b.try_at, b.noted_at, b.gone_at, b.gone_confidence, b.gone_provenance, b.fields, b.gone_xid
FROM former AS b
ON CONFLICT DO NOTHING

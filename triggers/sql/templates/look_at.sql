-- rtp run is to look at these entities.
INSERT INTO rtp.look (watch, chain, entity, waits_for)
SELECT DISTINCT {watch}, e.chain, e.entity, '{{}}'::xid8[] FROM ({entities}) AS e (chain, entity)
ON CONFLICT DO NOTHING

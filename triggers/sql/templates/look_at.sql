-- rtp run is to look at these entities. Of those that the table has not, no sample tells when they went: they are gone as of now.
INSERT INTO rtp.look (watch, chain, entity, waits_for, gone_at)
SELECT DISTINCT {watch}, e.chain, e.entity, '{{}}'::xid8[], now() FROM ({entities}) AS e (chain, entity)
ON CONFLICT DO NOTHING

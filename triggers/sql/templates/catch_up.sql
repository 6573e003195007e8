-- A trigger that judged by itself passed over what was within the band: what the table holds is the newest value seen, unless that
-- is in quarantine.
UPDATE rtp.baseline AS b
SET last_value = n.value, last_changed_at = n.changed_at, last_confidence = n.confidence, last_provenance = n.provenance
FROM ({sample}) AS n
WHERE b.watch = {watch} AND b.chain = n.chain AND b.entity = n.entity AND b.suspect_since IS NULL

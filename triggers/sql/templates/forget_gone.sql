SELECT rtp.forget({watch}, array_agg(b.chain), array_agg(b.entity), {default_confidence}, {default_provenance})
FROM rtp.baseline AS b WHERE b.watch = {watch} AND {is_gone}

SELECT b.chain, b.entity, 'removed' AS reason, NULL::jsonb AS fields, {default_confidence} AS confidence,
                   {default_provenance} AS provenance, statement_timestamp() AS changed_at
            FROM rtp.baseline AS b WHERE b.watch = {watch} AND {is_gone}

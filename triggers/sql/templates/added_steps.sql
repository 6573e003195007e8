{added}
            WHERE NOT EXISTS (
                SELECT FROM rtp.baseline AS b WHERE b.watch = {watch} AND b.chain = {chain} AND b.entity = {entity}
            )

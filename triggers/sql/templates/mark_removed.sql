UPDATE rtp.baseline AS b SET fields = coalesce(b.fields, o.fields), gone_at = clock_timestamp()
        FROM (SELECT {chain} AS chain, {entity} AS entity, {fields} AS fields FROM old_rows AS r WHERE {is_named}) AS o
        WHERE b.watch = {watch} AND b.chain = o.chain AND b.entity = o.entity

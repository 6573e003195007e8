INSERT INTO rtp.baseline AS b (watch, chain, entity, reported_at, rules, fields, gone_at)
        SELECT {watch}, o.chain, o.entity, clock_timestamp(), -1, o.fields, clock_timestamp()
        FROM (SELECT DISTINCT ON (1, 2) {chain} AS chain, {entity} AS entity, {fields} AS fields FROM old_rows AS r WHERE {is_named}) AS o
        CROSS JOIN LATERAL (
            -- Those that are known, by the whole key, as in lookup.sql. The insertion finds what whoever held them has left; of one
            -- that rtp run has forgotten meanwhile it makes a place that tells of nobody.
            SELECT FROM rtp.baseline AS k
            WHERE k.watch = {watch} AND k.chain = o.chain AND k.entity = o.entity
            OFFSET 0
        ) AS known
        ON CONFLICT (watch, chain, entity) DO UPDATE SET fields = coalesce(b.fields, excluded.fields), gone_at = excluded.gone_at

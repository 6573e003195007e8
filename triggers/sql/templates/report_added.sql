WITH here AS MATERIALIZED (
            SELECT n.*, b.rules = -1 AS is_new, rtp.field_changes(b.fields, n.fields) AS changes
            FROM (
                SELECT {chain} AS chain, {entity} AS entity, {fields} AS fields, {confidence} AS confidence,
                       {provenance} AS provenance, {changed_at} AS changed_at
                FROM new_rows AS r WHERE {is_named}
            ) AS n
            JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = n.chain AND b.entity = n.entity
            WHERE b.rules = -1 OR b.fields IS NOT NULL
        ), known AS (
            UPDATE rtp.baseline AS b SET rules = 0, fields = NULL, gone_at = NULL
            FROM here AS h WHERE b.watch = {watch} AND b.chain = h.chain AND b.entity = h.entity
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT {watch}, chain, entity, changes, CASE WHEN is_new THEN 'added' ELSE 'changed' END,
                   confidence, provenance, changed_at
            FROM here WHERE is_new OR changes IS NOT NULL ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) FROM appended

WITH here AS MATERIALIZED (
            SELECT n.*, n.rules = -1 AS is_new,
                   rtp.field_changes(CASE WHEN n.rules <> -1 THEN n.fields_before END, n.fields) AS changes
            FROM (
                SELECT n.*, b.place, b.rules, b.fields AS fields_before
                FROM (
                    SELECT {chain} AS chain, {entity} AS entity, {fields} AS fields, {confidence} AS confidence,
                           {provenance} AS provenance, {changed_at} AS changed_at
                    FROM new_rows AS r WHERE {is_named}
                ) AS n
                CROSS JOIN LATERAL (
                    -- By its whole key, whatever the planner knows of the table, as in lookup.sql.
                    SELECT k.ctid AS place, k.rules, k.fields FROM rtp.baseline AS k
                    WHERE k.watch = {watch} AND k.chain = n.chain AND k.entity = n.entity
                    OFFSET 0
                ) AS b
            ) AS n
            WHERE n.rules = -1 OR n.fields_before IS NOT NULL
        ), known AS (
            UPDATE rtp.baseline AS b SET rules = 0, fields = NULL, gone_at = NULL
            FROM here AS h WHERE b.ctid = h.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT {watch}, chain, entity, changes, CASE WHEN is_new THEN 'added' ELSE 'changed' END,
                   confidence, provenance, changed_at
            FROM here WHERE is_new OR changes IS NOT NULL ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) FROM appended

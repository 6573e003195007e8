LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = {watch} AND b.chain = {chain} AND b.entity = {entity}
        OFFSET 0
    ) AS b ON true

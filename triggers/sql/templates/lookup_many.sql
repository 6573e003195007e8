LEFT JOIN (
        -- All of the watch, read once, to be hashed: OFFSET keeps the planner from a look-up per row.
        SELECT b.ctid AS place, b.chain, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = {watch}
        OFFSET 0
    ) AS b ON b.chain = {chain} AND b.entity = {entity}

SELECT {chain} AS chain, {entity} AS entity, {value} AS value, b.value AS previous, b.rules = {rules} AS is_current
        INTO one
        FROM new_rows AS r
        {lookup}
        WHERE EXISTS (SELECT FROM new_rows OFFSET 100)
           OR ({value} > b.lower AND {value} < b.upper AND b.rules = {rules}) IS NOT TRUE
        LIMIT 1;

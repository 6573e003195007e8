SELECT {read}, b.value AS previous, b.place, b.rules = {rules} AS is_current
            INTO one
            FROM new_rows AS r
            {lookup}
            WHERE ({value} > b.lower AND {value} < b.upper AND b.rules = {rules}) IS NOT TRUE

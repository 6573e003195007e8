SELECT FROM new_rows AS r
            LEFT JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = {chain} AND b.entity = {entity}
            WHERE ({value} > b.lower AND {value} < b.upper AND b.rules = {rules}) IS NOT TRUE

{changed}
            JOIN old_rows AS o ON {same_entity}
            WHERE {differs}
            UNION ALL
            {added}
            WHERE NOT EXISTS (SELECT FROM old_rows AS o WHERE {same_entity})
            UNION ALL
            {removed}
            WHERE NOT EXISTS (SELECT FROM new_rows AS o WHERE {same_entity})

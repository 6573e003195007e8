{changed}
            JOIN old_rows AS o ON {same_entity}
            WHERE {differs}


            IF EXISTS (SELECT FROM new_rows AS r WHERE {is_ahead}) THEN
                EXECUTE {rare}('note ahead');
            END IF;
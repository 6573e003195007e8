
            IF {are_ahead} THEN
                EXECUTE {rare}('note ahead');
            END IF;
IF TG_OP = 'DELETE' THEN
                {deleted};
            ELSE
                {inserted};
            END IF

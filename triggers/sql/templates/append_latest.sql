IF TG_OP = 'DELETE' THEN
            {deleted};
        ELSE
            {written};
        END IF

IF TG_OP = 'INSERT' THEN
            {inserted}
        ELSIF TG_OP = 'UPDATE' THEN
            {updated}
        ELSE
            {deleted}
        END IF;

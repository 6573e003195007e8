-- Whoever writes such an entity again is judged by a closer look, and so waits for none that rtp run takes at it meanwhile to
            -- be over. Above READ COMMITTED no baseline is touched, as its newest version may be one that the snapshot does not see.
            IF current_setting('transaction_isolation') = 'read committed' AND TG_OP IN ('DELETE', 'TRUNCATE') THEN
                EXECUTE CASE TG_OP WHEN 'TRUNCATE' THEN rtp.rows_before_truncate(TG_RELID, {table}) ELSE '' END || {rare}('mark gone');
            END IF;
            EXECUTE CASE TG_OP WHEN 'TRUNCATE' THEN rtp.rows_before_truncate(TG_RELID, {table}) ELSE '' END || {rare}('append ' || TG_OP)
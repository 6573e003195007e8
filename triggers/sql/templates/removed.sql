IF sees_newest THEN
            EXECUTE with_old_rows || {mark};
        END IF;
        EXECUTE with_old_rows || {append};
        GET DIAGNOSTICS made = ROW_COUNT;
        left_rows := left_rows + made;

IF sees_newest THEN
            -- A statement of its own, so that the next one sees what whoever held them has left.
            EXECUTE {lock};
            EXECUTE {report} INTO made;
            reported_rows := reported_rows + made;
        ELSE
            EXECUTE {append};
            GET DIAGNOSTICS made = ROW_COUNT;
            left_rows := left_rows + made;
        END IF;

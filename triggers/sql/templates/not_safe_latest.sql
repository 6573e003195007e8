    IF TG_OP IN ({never_safe}) THEN
        is_safe := false;
    ELSIF TG_OP = 'UPDATE' AND is_safe THEN
        -- The entity of a row that has got another key is gone.
        is_safe := NOT EXISTS ({old_entities} EXCEPT {new_entities});
    END IF;

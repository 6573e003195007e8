    IF TG_OP IN ({never_safe}) THEN
        is_safe := false;
    ELSIF TG_OP = 'UPDATE' AND is_safe THEN
        -- The entity of a row that has got another key is renamed.
        is_safe := NOT {is_renaming};
    END IF;

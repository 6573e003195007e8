IF TG_OP = 'UPDATE' AND (one.place IS NULL OR NOT one.is_current OR EXISTS (SELECT FROM new_rows OFFSET 1)) THEN
                {look};
            END IF;
            
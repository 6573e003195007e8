PERFORM rtp.note_unusable({name_literal}, TG_OP, unusable.rows, {columns}, unusable.held)
        FROM (SELECT count(*) OVER () AS rows, {held} AS held FROM new_rows AS r WHERE ({usable}) IS NOT TRUE LIMIT 1) AS unusable;

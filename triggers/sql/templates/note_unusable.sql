PERFORM rtp.note_error({name_literal}, TG_OP, '22023', count(*) || ' rows have no usable chain, entity or value')
        FROM new_rows AS r WHERE ({usable}) IS NOT TRUE
        HAVING count(*) > 0;

SELECT {columns}
    FROM {rows}
    WHERE {are_named}
      AND {differs}
      AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows)

{columns}
            -- Another table may have the name by now.
            AND (TG_RELID = {table}::regclass OR pg_partition_root(TG_RELID) = {table}::regclass)

UPDATE rtp.watch
SET table_oid = {table}::regclass, noted_in = tableoid, triggers = {triggers}::text[], column_types = {column_types}::jsonb,
    installed_at = clock_timestamp(), source_md5 = (SELECT md5(prosrc) FROM pg_proc WHERE oid = {function}::regprocedure)
WHERE id = {watch}

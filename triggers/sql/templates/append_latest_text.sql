EXECUTE CASE TG_OP
WHEN 'INSERT' THEN
{inserted}
WHEN 'UPDATE' THEN
{updated}
WHEN 'DELETE' THEN
{deleted}
ELSE rtp.rows_before_truncate(TG_RELID, {table}) ||
{deleted}
            END

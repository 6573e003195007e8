CASE TG_OP
WHEN 'INSERT' THEN
{inserted}
WHEN 'UPDATE' THEN
{updated}
WHEN 'DELETE' THEN
{deleted}
ELSE
{truncated}
            END

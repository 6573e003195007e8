WITH marked AS (
{mark}
)
{append}

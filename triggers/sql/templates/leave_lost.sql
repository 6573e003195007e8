WITH pair AS MATERIALIZED (
    {pairs}
), marked AS (
{mark}
)
{append}

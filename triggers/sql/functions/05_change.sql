-- The size of a step, as events tell it. Inlined by the planner, so that a reader of the log pays for no call.

-- change: current minus previous, as text; null where one is not finite.
CREATE OR REPLACE FUNCTION rtp.change(previous numeric, current numeric)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN abs(previous) < 'Infinity' AND abs(current) < 'Infinity' THEN (current - previous)::text END
$$;

-- change_pct: the same in percent of |previous|, to six decimals; null where NUMERIC cannot hold it.
-- Rounded once, half away from zero: div() cuts off exactly, where / would round before round().
CREATE OR REPLACE FUNCTION rtp.change_pct(previous numeric, current numeric)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN abs(previous) BETWEEN 1e-1000 AND 1e1000 AND abs(current) <= 1e1000 THEN trim_scale(
        sign(current - previous)
        * div(abs(current - previous) * 200000000 + abs(previous), abs(previous) * 2) * 0.000001
    )::text END
$$;

-- field_changes: each field that differs between two rows of metadata, with its previous and current value; null where none does. A
-- row that is not there has no fields.
CREATE OR REPLACE FUNCTION rtp.field_changes(previous jsonb, current jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT jsonb_object_agg(key, jsonb_build_object('previous', p.value, 'current', c.value))
    FROM jsonb_each(previous) AS p FULL JOIN jsonb_each(current) AS c USING (key)
    WHERE coalesce(p.value, 'null') <> coalesce(c.value, 'null')
$$;

-- Is a step significant, and how much does it matter? (docs/reference/detection.md, rule 6 and Severity)

-- verdict: the reason to report the step from previous to current, null where there is none.
--   percent     deviation threshold in percent of |previous|
--   min_change  absolute floor, in the value's own unit
-- One CASE expression, so that the planner inlines it. NaN sorts above Infinity in PostgreSQL: one comparison finds both.
CREATE OR REPLACE FUNCTION rtp.verdict(previous numeric, current numeric, percent numeric, min_change numeric)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN previous = current THEN NULL
        WHEN previous IS NULL AND current IS NULL THEN NULL
        WHEN previous IS NULL THEN 'from_null'
        WHEN current IS NULL THEN 'to_null'
        WHEN abs(current) >= 'Infinity' THEN 'not_finite'
        WHEN abs(previous) >= 'Infinity' THEN 'finite_again'
        WHEN abs(current - previous) < min_change THEN NULL
        WHEN previous = 0 THEN 'from_zero'
        WHEN current = 0 THEN 'to_zero'
        WHEN abs(current - previous) * 100 >= percent * abs(previous) THEN 'deviation'
    END
$$;

-- severity: the highest tier that the step reaches; warning and critical are percentages.
CREATE OR REPLACE FUNCTION rtp.severity(previous numeric, current numeric, reason text, warning numeric, critical numeric)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN reason IN ('to_null', 'not_finite', 'deleted', 'from_zero') THEN 'warning'
        WHEN abs(current) < 'Infinity' AND abs(previous) < 'Infinity' AND previous <> 0
             AND abs(current - previous) * 100 >= critical * abs(previous) THEN 'critical'
        WHEN reason = 'depeg' THEN 'warning'
        WHEN abs(current) < 'Infinity' AND abs(previous) < 'Infinity' AND previous <> 0
             AND abs(current - previous) * 100 >= warning * abs(previous) THEN 'warning'
        ELSE 'info'
    END
$$;

-- lower_bound, upper_bound: between the two, both exclusive, no value can have a verdict. Null where the value compared with
-- is null or not finite. Zero is always outside, unless the value is: to_zero does not ask for the percentage.
CREATE OR REPLACE FUNCTION rtp.lower_bound(value numeric, percent numeric, min_change numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN abs(value) < 'Infinity' AND value > 0 THEN greatest(value - greatest(value * percent * 0.01, min_change), 0)
        WHEN abs(value) < 'Infinity' THEN value - greatest(-value * percent * 0.01, min_change)
    END
$$;

CREATE OR REPLACE FUNCTION rtp.upper_bound(value numeric, percent numeric, min_change numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN abs(value) < 'Infinity' AND value < 0 THEN least(value + greatest(-value * percent * 0.01, min_change), 0)
        WHEN abs(value) < 'Infinity' THEN value + greatest(value * percent * 0.01, min_change)
    END
$$;

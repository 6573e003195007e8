-- Rows that are set aside: they move nothing, and are counted.

-- set_aside_line: the weight of a line that is to be written to rtp.set_aside; no row where none is. Beyond some thousands of
-- lines only one in a thousand is, and weighs as much: writers may set aside more than anybody tidies up.
CREATE OR REPLACE FUNCTION rtp.set_aside_line()
RETURNS SETOF bigint LANGUAGE sql VOLATILE
AS $$
    SELECT CASE WHEN kept.count < 10000 THEN 1 ELSE 1000 END::bigint
    FROM (SELECT coalesce((SELECT max(id) FROM rtp.set_aside) - (SELECT min(id) FROM rtp.set_aside), 0) AS count) AS kept
    WHERE kept.count < 10000 OR random() < 0.001
$$;

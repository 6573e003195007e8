-- What the table holds at installation is the first baseline: the first change after it is judged like any other.
INSERT INTO rtp.baseline
    (watch, chain, entity, value, reported_at, rules, lower, upper, last_value, sampled_at, is_held, suspect_value,
     suspect_since, suspect_count, off_peg_since, due_at)
SELECT b.watch, b.chain, b.entity, b.value, b.reported_at, b.rules, b.lower, b.upper, b.last_value, b.sampled_at, b.is_held,
       b.suspect_value, b.suspect_since, b.suspect_count, b.off_peg_since, b.due_at
FROM (
    SELECT DISTINCT ON (n.chain, n.entity) n.*
    FROM ({sample}) AS n
    ORDER BY n.chain, n.entity, n.sampled_at DESC
) AS sample
CROSS JOIN LATERAL rtp.first_baseline(
    ROW(NULL, {watch}, sample.chain, sample.entity, 'sample', sample.value, sample.sampled_at, sample.changed_at,
        sample.confidence, sample.provenance, NULL, NULL, NULL)::rtp.sample,
    {rule}, {rules}, {by_previous_row}
) AS b
ON CONFLICT DO NOTHING

-- What the trigger of watch {name} seldom runs, by name: texts of their own, as every session must read the whole of a function
-- before it can call it. They are planned anew each time, for as many rows as there are.
CREATE OR REPLACE FUNCTION {function}(what text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS {quote}
BEGIN
    RETURN CASE what
WHEN 'judge' THEN
{judge}
WHEN 'baselines before' THEN
{baselines_before}
WHEN 'rename' THEN
{rename}
WHEN 'leave lost' THEN
{leave_lost}
WHEN 'mark gone' THEN
{mark_gone}
WHEN 'append INSERT' THEN
{append_inserted}
WHEN 'append UPDATE' THEN
{append_updated}
WHEN 'append DELETE' THEN
{append_deleted}
WHEN 'append TRUNCATE' THEN
{append_deleted}
WHEN 'first sightings' THEN
{first_sightings}
{note_ahead}    END;
END
{quote}

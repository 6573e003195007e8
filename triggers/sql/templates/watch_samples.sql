-- Watch {name}: every row is a sample, appended to rtp.sample, where rtp run judges it.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.sample, in the writer's transaction, and waits for nobody. What fails is left in rtp.trigger_error.
--
-- Every block that catches errors is a subtransaction, and one that writes takes a transaction id (watch_latest.sql says what that
-- costs). So the usual statement asks in a block whether appending can fail, and appends outside of it. It cannot while the
-- table's columns have the types that this was compiled for, from which every cast below succeeds whatever they hold; and while
-- rtp's table is as rtp made it (rtp.takes_samples). Both are asked when the answer is planned, and anew when a table has changed.
-- Columns of other types are cast in a block, where those types are the catalog's own (rtp.of_type says why).
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp{settings}
AS {quote}
DECLARE
    started       timestamptz := {started};
    is_safe       boolean;
    reported_rows bigint;
    measured_rows bigint;
BEGIN
    {append_samples};
END
{quote};

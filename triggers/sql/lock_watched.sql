-- Keep writers out of every watched table until the transaction ends, so that none is inside a trigger while what it calls and
-- writes to is replaced. Making a trigger again as it is takes that lock, and needs no right but to make triggers.
-- A writer may have one table and want the next. So only the first is waited for at length, with nothing held, and the others
-- for a moment: then all are given back, and the one that was taken goes first. Neither can so be one side of a deadlock.
DO $lock$
DECLARE
    triggers text[] := ARRAY(
        SELECT min('CREATE OR REPLACE' || substr(pg_get_triggerdef(t.oid), length('CREATE') + 1))
        FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = to_regnamespace('rtp') AND NOT t.tgisinternal AND t.tgenabled <> 'D'
        GROUP BY t.tgrelid ORDER BY t.tgrelid
    );
    patience text := current_setting('lock_timeout');
    one      text;
BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            FOREACH one IN ARRAY triggers LOOP
                EXECUTE one;
                SET LOCAL lock_timeout TO '100ms';
            END LOOP;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 20 OR one = triggers[1] THEN
                RAISE;
            END IF;
            triggers := one || array_remove(triggers, one);
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', patience, true);
END
$lock$

-- End the sessions of each rtp run. It connects again, waits until this transaction has ended, finds a schema of another version,
-- and ends: so nothing is judged or delivered after a migration by what the schema was before. Where this role may not end such a
-- session, its rtp run finds out by its next heartbeat.
-- Twice: whoever was back before the lock was had knows only of the version of before.
DO $end$
DECLARE
    names text[] := ARRAY(SELECT 'rtp ' || sink FROM rtp.cursor)
        || '{rtp leader,rtp judge,rtp wakeup,rtp arming,rtp dlq_copier}'::text[];
    one integer;
BEGIN
    FOR turn IN 1..2 LOOP
        PERFORM pg_stat_clear_snapshot();
        FOR one IN
            SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
              AND (application_name = ANY (names) OR application_name LIKE 'rtp standby %')
            -- The standbys first: none should take the lead for the last moment.
            ORDER BY application_name NOT LIKE 'rtp standby %'
        LOOP
            BEGIN
                PERFORM pg_terminate_backend(one, 1000);
            EXCEPTION WHEN insufficient_privilege THEN
                NULL;
            END;
        END LOOP;
        LOCK TABLE rtp.installation IN ACCESS EXCLUSIVE MODE;
    END LOOP;
END
$end$

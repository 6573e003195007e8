-- What rtp needs of a session, asked of the sessions themselves. core/services/sessions.py says what follows.

-- name: mark
-- Leave a mark in the session. A setting of nobody's: it harms nobody who may be given the session next.
SELECT pg_backend_pid(), set_config('rtp.session', %(mark)s, false)

-- name: read_mark
-- The mark that is in the session, and whose session it is.
SELECT pg_backend_pid(), current_setting('rtp.session', true)

-- name: hindrance_to_write
-- Whether the server follows another one; and what keeps transactions from writing, in which role's sessions, set where.
SELECT pg_is_in_recovery(), setting = 'on', quote_ident(current_user), quote_ident(current_database()), source
FROM pg_settings WHERE name = 'default_transaction_read_only'

-- name: notify
-- Say something to a session that should hear it.
SELECT pg_notify('rtp_probe', %(mark)s)

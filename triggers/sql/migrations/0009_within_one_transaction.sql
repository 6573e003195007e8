-- Of an entity that comes and goes within one transaction, nobody else has seen anything. Migration 9.

-- The transaction that an entity's baseline was made in, without an event; null once one tells of it.
ALTER TABLE rtp.baseline ADD COLUMN came_xid xid8;

-- The transaction that has deleted the row.
ALTER TABLE rtp.look ADD COLUMN gone_xid xid8;

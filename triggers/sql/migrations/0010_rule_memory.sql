-- What rules with a memory of more than a value remember of an entity, and what only some events tell. Migration 10.

-- memory: core/detection/memory.py spells it; null where there is nothing.
ALTER TABLE rtp.baseline ADD COLUMN memory jsonb;

-- details: attributes of the event's data by their names, such as since when a price is off its peg; null where there are none.
ALTER TABLE rtp.event ADD COLUMN details jsonb;
ALTER TABLE rtp.latest_event ADD COLUMN details jsonb;

-- Market-wide moves: what is remembered of each watch, as core/detection/market.py spells it.
CREATE TABLE rtp.market (
    watch  smallint PRIMARY KEY,
    memory jsonb    NOT NULL
);

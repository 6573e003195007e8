"""Which of PostgreSQL's types rtp reads as what. A column's type is the one below all its domains."""

from __future__ import annotations

NUMERIC_TYPES = frozenset({"numeric", "smallint", "integer", "bigint", "real", "double precision"})
TEXT_TYPES = frozenset({"text", "character varying", "character"})
VALUE_TYPES = NUMERIC_TYPES | TEXT_TYPES
TIME_TYPES = frozenset({"timestamp with time zone", "timestamp without time zone", "date"})
WHOLE_TYPES = frozenset({"smallint", "integer", "bigint"})

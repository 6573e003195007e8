"""A table with a row per token and its latest price, and those who write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.random_prices import CHAINS, TOKENS, random_price
from tests.said import AT, TRUST_AND_FEED, is_of_the_future

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal
    from random import Random

    import psycopg

    from core.detection.detector import Key

_MANY = 120
_INSERT = "INSERT INTO samples (chain, token, price) SELECT * FROM new"


def create_price_table(connection: psycopg.Connection) -> None:
    """Create it; two rows may exchange their keys in one statement."""
    connection.execute(
        f"CREATE TABLE public.samples (chain text, token text, price numeric, {AT}, {TRUST_AND_FEED},"
        " UNIQUE (chain, token) DEFERRABLE)".encode()
    )


class PriceTable:
    """Random statements on it. `see` is told of each entity and price that is written, `forget` of those that go.

    `rename` is told of those that get others' names, all at once.

    Rows of the future are to move nothing: nobody is told of them.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        random: Random,
        *,
        see: Callable[[Key, Decimal | None], None],
        forget: Callable[[Key], None],
        rename: Callable[[Mapping[Key, Key]], None],
    ) -> None:
        self._connection = connection
        self._random = random
        self._see_row = see
        self._forget = forget
        self._rename = rename
        self._rows: dict[Key, Decimal | None] = {}
        self._recent: dict[Key, Decimal | None] = {}

    def step(self) -> None:
        """Write one statement."""
        random = self._random
        steps = (self._insert, self._update, self._update, self._update, self._update, self._move, self._delete)
        random.choice(steps if random.random() < 0.97 else (self._truncate, self._many, self._exchange))()

    def _price(self, key: Key) -> Decimal | None:
        self._recent[key] = random_price(self._random, self._recent.get(key))
        return self._recent[key]

    def _see(self, key: Key, price: Decimal | None) -> None:
        self._rows[key] = price
        if not is_of_the_future(price):
            self._see_row(key, price)

    def _keys(self) -> list[Key]:
        random = self._random
        keys = sorted(self._rows)
        return random.sample(keys, min(len(keys), random.choice((1, 1, 1, 3, len(keys)))))

    def _new_keys(self, count: int) -> list[Key]:
        free = [(chain, token) for chain in CHAINS for token in TOKENS if (chain, token) not in self._rows]
        return self._random.sample(free, min(count, len(free)))

    def _insert(self) -> None:
        keys = self._new_keys(self._random.choice((1, 3)))
        self._write(_INSERT, {key: self._price(key) for key in keys})

    def _update(self) -> None:
        self._write(
            "UPDATE samples AS s SET price = new.price FROM new WHERE (s.chain, s.token) = (new.chain, new.token)",
            {key: self._price(key) for key in self._keys()},
        )

    def _write(self, statement: str, prices: dict[Key, Decimal | None]) -> None:
        self._connection.execute(
            f"WITH new AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::numeric[]) AS n (chain, token, price))"
            f" {statement}".encode(),
            [[chain for chain, _ in prices], [token for _, token in prices], list(prices.values())],
        )
        for key, price in prices.items():
            self._see(key, price)

    def _move(self) -> None:
        """Change some rows' key, and perhaps the price."""
        old_keys = self._keys()
        for old, new in zip(old_keys, self._new_keys(len(old_keys)), strict=False):
            price = self._price(new) if self._random.random() < 0.5 else self._rows[old]
            self._connection.execute(
                "UPDATE samples SET chain = %s, token = %s, price = %s WHERE (chain, token) = (%s, %s)",
                [*new, price, *old],
            )
            del self._rows[old]
            self._rename({old: new})
            self._see(new, price)

    def _exchange(self) -> None:
        """Exchange the keys of two rows: each entity has the other's price now."""
        if len(self._rows) < 2:
            return
        one, other = self._random.sample(sorted(self._rows), 2)
        self._connection.execute(
            "UPDATE samples AS s SET chain = new.chain, token = new.token"
            " FROM (VALUES (%s, %s, %s, %s), (%s, %s, %s, %s)) AS new (chain, token, old_chain, old_token)"
            " WHERE (s.chain, s.token) = (new.old_chain, new.old_token)",
            [*one, *other, *other, *one],
        )
        self._rename({one: other, other: one})
        prices = self._rows[other], self._rows[one]
        for key, price in zip((one, other), prices, strict=True):
            self._see(key, price)

    def _delete(self) -> None:
        for key in self._keys()[:3]:
            self._connection.execute("DELETE FROM samples WHERE (chain, token) = (%s, %s)", key)
            del self._rows[key]
            self._forget(key)

    def _truncate(self) -> None:
        self._connection.execute("TRUNCATE samples")
        for key in self._rows:
            self._forget(key)
        self._rows.clear()

    def _many(self) -> None:
        """Many rows a statement: first sightings, then steps."""
        keys = [("base", f"token {number}") for number in range(_MANY)]
        missing = [key for key in keys if key not in self._rows]
        self._write(_INSERT, {key: self._price(key) for key in missing})
        self._write(
            "UPDATE samples AS s SET price = new.price FROM new WHERE (s.chain, s.token) = (new.chain, new.token)",
            {key: self._price(key) for key in keys},
        )

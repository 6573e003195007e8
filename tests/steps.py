"""Steps of a value, and what each is reported as: one list that the triggers and the Python detector are held to."""

from __future__ import annotations

Step = tuple[str | None, str | None, str | None]

# The threshold is 1 percent.
STEPS: tuple[Step, ...] = (
    ("100", "100.00", None),
    (None, None, None),
    ("NaN", "NaN", None),
    ("Infinity", "Infinity", None),
    (None, "0", "from_null"),
    (None, "NaN", "from_null"),
    ("0", None, "to_null"),
    ("NaN", None, "to_null"),
    ("1", "NaN", "not_finite"),
    ("NaN", "Infinity", "not_finite"),
    ("100", "-Infinity", "not_finite"),
    ("Infinity", "-Infinity", "not_finite"),
    ("-Infinity", "0", "finite_again"),
    ("NaN", "100", "finite_again"),
    ("0", "0.01", "from_zero"),
    ("0", "-1", "from_zero"),
    ("5", "0", "to_zero"),
    ("-5", "0.00", "to_zero"),
    ("100", "100.999999999999999999999999", None),
    ("100", "101", "deviation"),
    ("100", "99.000000000000000000000001", None),
    ("100", "99", "deviation"),
    ("-100", "-101", "deviation"),
    ("-100", "-99.000001", None),
    ("-1", "1", "deviation"),
    ("0.1", "0.101", "deviation"),
    ("123456789012345678901234567890", "124691356902469135690246913568.9", "deviation"),
    ("123456789012345678901234567890", "124691356902469135690246913568.8", None),
)
# The same, where a change below 5 does not count.
STEPS_WITH_A_FLOOR_OF_5: tuple[Step, ...] = (
    ("1", "5.99", None),
    ("1", "6", "deviation"),
    ("0", "4", None),
    ("0", "5", "from_zero"),
    ("4", "0", None),
    ("1000", "1005", None),
    (None, "1", "from_null"),
    ("1", "NaN", "not_finite"),
)

"""Texts from a sample as numbers."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def number(text: str | None) -> Decimal | None:
    """The finite number that a text is; None where it is none."""
    try:
        found = Decimal(text or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def is_number(text: str) -> bool:
    """Whether a text is a number at all."""
    return number(text) is not None


def numbers(texts: list[str]) -> list[Decimal]:
    """The finite numbers among texts."""
    return [found for text in texts if (found := number(text)) is not None]

"""What pydantic found wrong with the settings, in the words and with the names of the person who wrote them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from core.redact import shown
from core.settings import Settings, Watch

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from core.settings_yaml import Place, Written

# pydantic's error types in plain words. `{…}` are pydantic's own parameters; a message that ends in a comma is
# completed with what was written.
_WORDS = {
    "missing": "is missing. Add it",
    "greater_than_equal": "must be {ge} or more,",
    "greater_than": "must be more than {gt},",
    "less_than_equal": "must be {le} or less,",
    "less_than": "must be less than {lt},",
    "finite_number": "must be a finite number,",
    "int_from_float": "must be a whole number,",
    "decimal_max_digits": "must have at most {max_digits} digits,",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_unicode": "must not hold control characters",
    "too_short": "must hold at least {min_length} entry",
    "too_long": "must hold at most {max_length} entries",
    "bool_type": "must be true or false,",
    "bool_parsing": "must be true or false,",
    "tuple_type": "must be a list, e.g. [name, url],",
    "dict_type": "must be a mapping (indented `key: value` lines),",
    "model_type": "must be a mapping (indented `key: value` lines),",
    "model_attributes_type": "must be a mapping (indented `key: value` lines),",
    "union_tag_invalid": "must be {expected_tags},",
    "union_tag_not_found": "is missing. Write tvl, price or protocol",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size"), "must be a whole number,"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number,"),
    **dict.fromkeys(("decimal_type", "decimal_parsing"), "must be a number,"),
}
_ADDRESSES = frozenset({"dsn", "url", "endpoint_url"})
_WATCHES: dict[str, type[BaseModel]] = {
    get_args(watch.model_fields["kind"].annotation)[0]: watch for watch in get_args(Watch)
}


def place_of(error: ErrorDetails) -> Place:
    """Where the error is, as a place in the YAML: without the steps that only pydantic knows."""
    place = error["loc"]
    if place[:1] == ("watches",):
        # (watches, <name>, <kind>, …): the kind chose the model and is no key; `[key]` means the name itself.
        place = place[:2] + place[3:]
    if error["type"].startswith("union_tag"):
        place = (*place, "kind")
    return place


def explain(error: ErrorDetails, written: Written | None) -> str:
    """What is wrong, and how to mend it; `written` is what stands at the error's place."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(error)
    if kind == "string_type":
        return _not_text(written)
    if kind == "value_error":
        text = str(context["error"])
        # A sentence that already gives advice, or is about a whole section, is complete.
        text = text if ". " in text or written is None or written.text is None else f"{text},"
    else:
        text = _WORDS.get(kind, error["msg"]).format_map(_plain(context))
    return _completed(text, error["loc"], written) if text.endswith(",") else text


def _plain(context: dict[str, Any]) -> dict[str, Any]:
    """Bounds as people write them (60, not 60.0) and a list of choices without quotes."""
    plain = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in context.items()
    }
    if "expected_tags" in plain:
        *most, last = plain["expected_tags"].replace("'", "").split(", ")
        plain["expected_tags"] = f"{', '.join(most)} or {last}"
    return plain


def _completed(text: str, place: Place, written: Written | None) -> str:
    if written is None or (place[-1:] and place[-1] in _ADDRESSES):
        return text.removesuffix(",")
    if written.meaning == "nothing":
        return f"{text} but nothing is written. Give it a value or remove the key"
    return f"{text} not {written.meaning if written.text is None else _quoted(written.text)}"


def _quoted(text: str) -> str:
    return shown(text) if text.strip() == text and text else f"'{shown(text)}'"


def _not_text(written: Written | None) -> str:
    if written is None or written.text is None or written.meaning == "nothing":
        return _completed("must be text,", (), written)
    return f"must be text, but YAML reads {_quoted(written.text)} as {written.meaning}. Put it in quotes"


def _unknown_key(error: ErrorDetails) -> str:
    known = list(_model_at(error["loc"][:-1]).model_fields)
    meant = get_close_matches(str(error["loc"][-1]), known, n=1)
    return f"unknown key. Did you mean {meant[0]}?" if meant else f"unknown key. Known here: {', '.join(known)}"


def _model_at(loc: Place) -> type[BaseModel]:
    """The model that refused a key: pydantic's own steps lead to it."""
    model: type[BaseModel] = Settings
    if loc[:1] == ("watches",):
        model, loc = _WATCHES[str(loc[2])], loc[3:]
    for part in loc:
        inner = model.model_fields[str(part)].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return model

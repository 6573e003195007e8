"""What pydantic found wrong with the settings, in the words and with the names of the person who wrote them."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, RootModel

from core.settings.aliases import IN_TABLE
from core.settings.located_yaml import Refused, Written
from core.settings.routes import RouteMatch, match_model
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic_core import ErrorDetails

    from core.settings.located_yaml import Place

# pydantic's error types in plain words; `{…}` are pydantic's own parameters.
_WORDS = {
    "missing": "is missing. Add it",
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "finite_number": "must be a finite number",
    "int_from_float": "must be a whole number",
    "decimal_max_digits": "must have at most {max_digits} digits",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_unicode": "must not hold control characters",
    "too_short": "must not be empty",
    "too_long": "must hold at most {max_length} entries",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list, e.g. [name, url]",
    "dict_type": "must be a mapping (indented `key: value` lines)",
    "model_type": "must be a mapping (indented `key: value` lines)",
    "model_attributes_type": "must be a mapping (indented `key: value` lines)",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be {expected_tags}",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("decimal_type", "decimal_parsing"), "must be a number"),
}
# pydantic's word for a key itself, and the names of one among several forms.
_NO_KEYS = frozenset({"[key]", "", IN_TABLE})
# How pydantic writes a bound that is a duration.
_DURATION = re.compile(r"datetime\.timedelta\((?:([ds])\w*=)?(\d+)\)")
_ENDPOINT = "endpoint_url"  # is no secret, and yet where people write some


def place_of(error: ErrorDetails) -> Place:
    """Where the error is, as a place in the YAML: without the steps that only pydantic knows."""
    place = error["loc"]
    if place[:1] == ("watches",):
        # (watches, <name>, <kind>, …): the kind chose the model and is no key.
        place = place[:2] + place[3:]
    if error["type"].startswith("union_tag") and isinstance(error["input"], dict):
        place = (*place, "kind")
    return tuple(part for part in place if part not in _NO_KEYS)


def already_noted(error: ErrorDetails) -> bool:
    """Whether reading the file noted a problem here, which says it better."""
    refused = error["input"]
    if error["type"].startswith("union_tag") and isinstance(refused, dict):
        refused = refused.get("kind")
    return isinstance(refused, Refused)


def explain(error: ErrorDetails, written: Written | None, settings: type[BaseModel]) -> str:
    """What is wrong, and how to mend it; `written` is what stands at the error's place, `settings` the model there."""
    if error["loc"][-1:] == ("[key]",):
        written = None
    elif written and _may_hold_secrets(error["loc"], settings):
        written = Written(None, written.meaning)
    match error["type"]:
        case "extra_forbidden":
            return _unknown_key(error, settings)
        case "string_type":
            return _not_text(written)
        case "value_error":
            text = str(error["ctx"]["error"])
            if written and written.text is None and written.meaning == "text":
                return text  # what is wrong is the text, which is not shown, and not that it is one
        case "union_tag_not_found" | "union_tag_invalid" if not isinstance(error["input"], dict):
            text = _WORDS["model_type"]
        case "union_tag_not_found":
            text = f"is missing. Write {_choice(_watches(settings))}"
        case kind:
            text = _WORDS.get(kind, error["msg"]).format_map(_plain(error.get("ctx", {})))
    return _completed(text, written)


def _plain(context: dict[str, Any]) -> dict[str, Any]:
    """Bounds as people write them (60, not 60.0; 3650d) and a list of choices without quotes."""
    plain: dict[str, Any] = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in context.items()
    }
    plain |= {name: _DURATION.sub(_bound, value) for name, value in plain.items() if isinstance(value, str)}
    for choices in {"expected_tags", "expected"} & plain.keys():
        plain[choices] = _choice(plain[choices].replace("'", "").replace(" or ", ", ").split(", "))
    return plain


def _bound(duration: re.Match[str]) -> str:
    return f"{duration[2]}{duration[1] or 's'}"


def _choice(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _completed(text: str, written: Written | None) -> str:
    """The sentence with what was written, unless it is about a whole section or has given its advice already."""
    if written is None or not text.startswith("must be") or re.search(r"\. [A-Z]", text):
        return text
    if written.meaning == "nothing":
        return f"{text}, but nothing is written. Give it a value or remove the key"
    return f"{text}, not {written.meaning if written.text is None else _quoted(written.text)}"


def _quoted(text: str) -> str:
    return shown(text) if text.strip() == text and text else f"'{shown(text)}'"


def _not_text(written: Written | None) -> str:
    if written is None or written.text is None or written.meaning == "nothing":
        return _completed("must be text", written)
    return f"must be text, but YAML reads {_quoted(written.text)} as {written.meaning}. Put it in quotes"


def _unknown_key(error: ErrorDetails, settings: type[BaseModel]) -> str:
    known = [field.alias or name for name, field in _model_at(error["loc"][:-1], settings).model_fields.items()]
    meant = get_close_matches(str(error["loc"][-1]), known, n=1)
    return f"unknown key. Did you mean {meant[0]}?" if meant else f"unknown key. Known here: {', '.join(known)}"


def _may_hold_secrets(loc: Place, settings: type[BaseModel]) -> bool:
    """Whether what stands there, or what it stands in, is kept out of every message."""
    if loc[:1] == ("watches",):
        return False
    if loc[-1:] == (_ENDPOINT,) or any(issubclass(_model_at(at, settings), RootModel) for at in (loc, loc[:-1])):
        return True
    steps = ((_model_at(loc[:depth], settings).model_fields, loc[depth]) for depth in range(len(loc)))
    return any(part in fields and not fields[str(part)].repr for fields, part in steps)


def _model_at(loc: Place, settings: type[BaseModel]) -> type[BaseModel]:
    """The model that refused a key: pydantic's own steps lead to it."""
    model: type[BaseModel] = settings
    if loc[:1] == ("watches",):
        model, loc = _watches(model)[str(loc[2])], loc[3:]
    for part in loc:
        if issubclass(model, RootModel):
            model = next(_models_in(model.model_fields["root"].annotation))
        elif isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    known = getattr(settings, "known", None)
    return match_model(known) if model is RouteMatch and known else model


def _watches(settings: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The models of watches, by their kinds."""
    models = _models_in(settings.model_fields["watches"].annotation)
    return {get_args(model.model_fields["kind"].annotation)[0]: model for model in models}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation speaks of: itself, or what stands in a list or an optional one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)

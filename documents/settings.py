"""Every key of the settings, with its type, bounds and default, from the models that read them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from core.kinds import SHIPPED
from core.settings.file import default_path
from core.settings.models import settings_model
from core.sinks.settings import settings_with_sections
from documents.table import table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

Schema = dict[str, Any]
"""What JSON Schema says of a model or of a key."""

_KEY = re.compile(r"(?:# (?=[a-z ]))?(?P<indent> *)(?:# )?(?P<key>[a-z_]+):(?: [^#]*?)?(?:\s+# (?P<told>.*))?$")
_NAMED_BY_THE_USER = ("kinds", "watches")
"""Sections whose keys are names."""
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def settings_page() -> str:
    """The page."""
    schema = settings_model(SHIPPED, settings_with_sections()).model_json_schema()
    told = _comments()
    parts = [
        "# Settings",
        "Written from the models that read the file; [configs/default.yaml](../../configs/default.yaml) shows each"
        " key at its place. A key that is not known is refused, with its line, and so is one that is missing where"
        " the default says *needed*.",
        "Strength, weakest first: the file, the environment (`RTP_POSTGRES_DSN`, `RTP_REDIS_URL`,"
        " `RTP_SQS_ENDPOINT_URL`, `RTP_SQS_QUEUE`, `RTP_WEBHOOK_URL`, `RTP_SERVE_TOKEN`, AWS's own variables), the"
        " options. `RTP_POSTGRES_SECRET` and `RTP_REDIS_SECRET` name secrets of AWS Secrets Manager that hold the"
        " passwords.",
    ]
    alone = {name: key for name, key in schema["properties"].items() if not _models_of(key, schema)}
    parts.append(_keys_table("", alone, schema, told))
    shown: list[Schema] = []
    for name, key in schema["properties"].items():
        for model in _models_of(key, schema) or [schema["$defs"]["Webhook"]] * (name == "webhook"):
            parts += list(_section(name, model, schema, told, shown))
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(
    path: str, model: Schema, schema: Schema, told: Mapping[str, str], shown: list[Schema], depth: int = 2
) -> Iterator[str]:
    """A model's keys, and those of the models in it that were not shown before."""
    if model in shown:
        return
    shown.append(model)
    kind = model.get("properties", {}).get("kind", {}).get("const")
    yield f"{'#' * depth} {path}" + (f" of kind {kind}" if kind else "")
    yield " ".join(str(model.get("description", "")).split())
    keys = model.get("properties", {})
    yield _keys_table(path, keys, schema, told, model.get("required", ()))
    for name, key in keys.items():
        for inner in _models_of(key, schema):
            yield from _section(f"{path}.{name}", inner, schema, told, shown, min(depth + 1, 4))


def _keys_table(
    path: str, keys: Mapping[str, Schema], schema: Schema, told: Mapping[str, str], needed: Collection[str] = ()
) -> str:
    rows = [
        (
            f"`{name}`",
            _kind_of(key, schema),
            "*needed*" if name in needed else _default(key),
            str(key.get("description") or told.get(f"{path}.{name}".lstrip("."), "")),
        )
        for name, key in keys.items()
    ]
    return table(("key", "is", "default", ""), rows) if rows else ""


def _models_of(key: Schema, schema: Schema) -> list[Schema]:
    """The models that a key holds: itself, one of several, or those in its list or mapping."""
    if reference := key.get("$ref"):
        model = schema["$defs"][reference.rpartition("/")[2]]
        return [model] if model.get("properties") else []
    inner = [
        *key.get("anyOf", ()),
        *key.get("oneOf", ()),
        *key.get("allOf", ()),
        key.get("items"),
        key.get("additionalProperties"),
    ]
    found = [model for one in inner if isinstance(one, dict) for model in _models_of(one, schema)]
    return [model for place, model in enumerate(found) if model not in found[:place]]


def _kind_of(key: Schema, schema: Schema) -> str:
    if "$ref" in key:
        model = schema["$defs"][key["$ref"].rpartition("/")[2]]
        return "keys of its own" if model.get("properties") else _kind_of(model, schema)
    if "enum" in key:
        return ", ".join(f"`{choice}`" for choice in key["enum"])
    if "const" in key:
        return f"`{key['const']}`"
    several = [one for one in (*key.get("anyOf", ()), *key.get("oneOf", ())) if one.get("type") != "null"]
    if several:
        return " or ".join(dict.fromkeys(_kind_of(one, schema) for one in several))
    kind = {
        "array": "a list",
        "object": "a mapping",
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
    }.get(str(key.get("type")), "a value")
    bounds = ", ".join(f"{sign} {key[word]:,}" for word, sign in _BOUNDS.items() if word in key)
    return f"{kind}, {bounds}" if bounds else kind


def _default(key: Schema) -> str:
    default = key.get("default")
    if default is None or isinstance(default, dict):
        return ""
    if isinstance(default, str) and (duration := re.fullmatch(r"PT?(\d+)([DHMS])", default)):
        return f"`{duration[1]}{duration[2].lower()}`"
    return f"`{json.dumps(default)}`"


def _comments() -> dict[str, str]:
    """What configs/default.yaml says behind each key, also behind one that is commented out, by its path."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in default_path().read_text(encoding="utf-8").splitlines():
        match = _KEY.match(line)
        if match is None:
            continue
        indent = len(match["indent"])
        above = [one for one in above if one[0] < indent]
        names = [*(name for _, name in above), match["key"]]
        path = ".".join(names[:1] + names[2:] if names[0] in _NAMED_BY_THE_USER and len(names) > 1 else names)
        above.append((indent, match["key"]))
        if match["told"]:
            found.setdefault(path, match["told"])
    return found

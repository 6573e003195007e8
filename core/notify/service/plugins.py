"""Apprise's plugins by the scheme of an address.

Apprise loads all of them, which takes seconds and 20 MB. The usual ones are loaded alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

from apprise.manager_plugins import NotificationManager

_MANAGER: Any = NotificationManager  # it has no types
# Where a plugin's module is not called as its scheme is.
_MODULES: Mapping[str, str] = {
    "form": "custom_form",
    "json": "custom_json",
    "xml": "custom_xml",
    "gchat": "google_chat",
    "mailto": "email",
    "mmost": "mattermost",
    "msteams": "workflows",
    "workflow": "workflows",
    "pover": "pushover",
    "rocket": "rocketchat",
    "signal": "signal_api",
    "tgram": "telegram",
    "wxteams": "webexteams",
}


@cache
def plugin_class(scheme: str) -> Any:
    """The class for a scheme, or None."""
    for name in dict.fromkeys((scheme, scheme.removesuffix("s"))):
        try:
            with _unwarned():
                module = import_module(f"apprise.plugins.{_MODULES.get(name, name)}")
        except (ImportError, ValueError):
            continue
        for found in vars(module).values():
            if isinstance(found, type) and hasattr(found, "app_id") and scheme in _schemes_of(found):
                return found
    try:
        return all_plugins()[scheme]
    except KeyError:
        return None


@cache
def all_plugins() -> Any:
    """Apprise's own register."""
    with _unwarned():
        manager = _MANAGER()
        manager.schemas()
    return manager


@contextmanager
def _unwarned() -> Iterator[None]:
    """Some of its modules warn of what they import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _schemes_of(plugin: Any) -> Any:
    return plugin.schemas(plugin)

"""Addresses of services, as Apprise takes them, made into what talks to the service.

No error shows any part of an address but its scheme.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import unquote

from apprise import Apprise, AppriseAsset

from core.errors import SettingsError
from core.notify.service.attempt import pause
from core.notify.service.plugins import all_plugins, plugin_class
from rtp_client.spellings import any_spelling

if TYPE_CHECKING:
    from apprise.plugins import NotifyBase

_SHORTEST_SECRET = 4
_DELIMITERS = re.compile(r"[/?&=:;@,\s]")
# No picture is fetched from Apprise's own repository, and no redirect followed, which would turn a POST into a GET.
_ASSET = AppriseAsset(
    app_id="rtp", app_desc="rtp", app_url="", image_url_mask="", image_url_logo="", http_redirects=False
)


def plugin_for(address: str, place: str, timeout_seconds: float) -> NotifyBase:
    """What talks to the service at an address. Raises SettingsError, beginning with the place of the address.

    Apprise's own pauses between messages are left out: rtp has limits of its own.
    """
    plugin = _plugin(address, place)
    if (targets := len(plugin) // (plugin.retry + 1)) > 1:
        raise SettingsError(
            f"{place}: leads to {targets} receivers, and what failed at one would be told to all again",
            "Write an address for each",
        )
    plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout_seconds
    vars(plugin)["throttle"] = pause
    if plugin.schema == "slack":
        vars(plugin)["use_blocks"] = True  # its other messages are not taken as they are
    return plugin


def _plugin(address: str, place: str) -> NotifyBase:
    scheme = address.partition("://")[0].lower()
    if scheme in ("http", "https"):  # as the service itself gives it
        return _as_given(address, place)
    service = plugin_class(scheme)
    if service is None:
        raise SettingsError(f"{place}: Apprise knows no service {scheme}://", _remedy(scheme))
    if not service.enabled:
        packages = service.requirements["packages_required"] or "what this machine lacks"
        raise SettingsError(f"{place}: {service.service_name} needs what is not installed here", f"It needs {packages}")
    try:
        # Apprise, too, takes a # in the path for a part of it.
        plugin: NotifyBase = service(**service.parse_url(address.replace("/#", "/%23")), asset=_ASSET)
    except TypeError:  # a plugin's own complaint, whose text may hold the address
        raise SettingsError(
            f"{place}: is no address of {service.service_name} that Apprise can use", f"See {service.setup_url}"
        ) from None
    return plugin


def _as_given(address: str, place: str) -> NotifyBase:
    all_plugins()
    plugin = Apprise.instantiate(address, asset=_ASSET, suppress_exceptions=True)
    if plugin is None:
        raise SettingsError(
            f"{place}: is no address that a service of Apprise's gives out",
            "Write it as Apprise does: https://appriseit.com/services/. For a server of your own: json://, form:// or xml://",
        )
    return plugin


def secrets_of(address: str) -> re.Pattern[str]:
    """What finds each part of an address that may be a secret, which is every part but the scheme."""
    parts = set(_DELIMITERS.split(address.partition("://")[2]))
    parts |= set(map(unquote, parts))
    return any_spelling(part for part in parts if len(part) >= _SHORTEST_SECRET)


def _remedy(scheme: str) -> str:
    close = get_close_matches(scheme, all_plugins().schemas(), n=1)
    return f"Did you mean {close[0]}://?" if close else "See https://appriseit.com/services/"

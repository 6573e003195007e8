"""How often each service may be told where the settings say nothing: what it takes, or what people bear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.settings.rhythm import read_limit

if TYPE_CHECKING:
    from core.settings.notify import Audience, NotifyDestination
    from core.settings.rhythm import MessageLimit

_ELSEWHERE = "20/min"
_BY_SERVICE = {
    "20/min": "tgram",  # Telegram's own limit for a group
    "30/min": "discord slack",  # Discord's for a webhook; Slack takes one a second
    "60/min": "gchat workflow workflows msteams zulip mmost mmosts rocket rockets webex wxteams",
    "100/min": "pagerduty opsgenie ilert squadcast splunk victorops betterstack incidentio",  # PagerDuty takes 120
    "10/min": "matrix matrixs pover ntfy ntfys pbul signal signals whatsapp twilio vonage nexmo sns sinch plivo",
    "30/h": "mailto mailtos ses mailgun sendgrid sparkpost postmark brevo resend smtp2go o365 azure",
    "off": "json jsons xml xmls form forms apprise apprises syslog rsyslog",  # a program, which no one must read
}
_DEFAULTS = {service: limit for limit, services in _BY_SERVICE.items() for service in services.split()}


def limit_of(destination: NotifyDestination, audience: Audience, address: str) -> MessageLimit | None:
    """The limit of a destination: its own, its audience's, or that of the service which its address names."""
    written = destination.limit or audience.limit
    limit = written or read_limit(_DEFAULTS.get(service_of(address), _ELSEWHERE))
    return None if limit == "off" else limit


def service_of(address: str) -> str:
    """The service that an address names, as Apprise calls it."""
    scheme, _, rest = address.partition("://")
    hosts = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}
    return hosts.get(rest.partition("/")[0].lower(), scheme.lower())

"""How often each service may be told where the settings say nothing: what it takes, or what people bear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.settings.rhythm import read_limit

if TYPE_CHECKING:
    from core.settings.notify import Audience, NotifyDestination
    from core.settings.rhythm import MessageLimit

_ELSEWHERE = "20/min"
# By what Apprise's addresses begin with.
_BY_SERVICE = {
    "20/min": "tgram",  # Telegram's own limit for a group
    "30/min": "discord slack",  # Discord's for a webhook; Slack takes one a second
    "60/min": "gchat workflow workflows zulip mmost mmosts rocket rockets webex wxteams",
    "100/min": "pagerduty opsgenie ilert squadcast splunk victorops betterstack incidentio",  # PagerDuty takes 120
    "10/min": "matrix matrixs pover ntfy ntfys pbul signal signals whatsapp twilio vonage nexmo sns sinch plivo",
    "30/h": "mailto mailtos ses mailgun sendgrid sparkpost postmark brevo resend smtp2go o365 azure",
    "off": "json jsons xml xmls form forms apprise apprises syslog rsyslog",  # a program, which no one must read
}
LIMITED = {service: limit for limit, services in _BY_SERVICE.items() for service in services.split()}


def limit_of(destination: NotifyDestination, audience: Audience, scheme: str) -> MessageLimit | None:
    """The limit of a destination: its own, its audience's, or that of its service, by the scheme of Apprise's."""
    written = destination.limit or audience.limit
    limit = written or read_limit(LIMITED.get(scheme, _ELSEWHERE))
    return None if limit == "off" else limit

"""The page lets through what the gateway's filter does."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.resources import files
from itertools import product
from typing import Any

from rtp_client import EventFilter, Reason
from tests.followed import node
from tests.samples import make_event

SCRIPTS = files("core.gateway") / "page" / "js"
NAMES = ("usdc", "USDC.e", "a+b", "[x]", "wstETH", "usd\u00e9")
GLOBS = ("usdc", "*ETH", "u?dc*", "[tu]s*", "[!u]*", "[x]", "a+b", "[z-a]", "usd[", "*", "usd\u00c9")
FILTERS: list[dict[str, Any]] = [
    *({part: [glob]} for part, glob in product(("kind", "chain", "entity"), GLOBS)),
    {"entity": ["usdc", "a+b"]},
    {"kind": ["PRICE", "tv*"], "chain": ["eth*"]},
    *({"min_pct": size} for size in ("0.5", "2", "2.01")),
    *({"severity": severity} for severity in ("info", "warning", "critical")),
    {"reason": ["depeg", "from_zero"]},
    {"severity": "warning", "reason": ["deviation"]},
]
EVENTS = [
    *(make_event(1, name) for name in NAMES),
    make_event(2, "usdc", kind="price", change_pct="-2", severity="warning"),
    make_event(3, "usdc", kind="price", change_pct="0.4999", reason="depeg", severity="critical"),
    make_event(4, "usdc", change_pct=None, reason="from_zero"),
    make_event(5, "usdc", change_pct=None, reason="first_seen"),
]
CALL = """
const [script, filters, events] = JSON.parse(process.argv[1]);
const { matcher } = await import(`data:text/javascript,${encodeURIComponent(script)}`);
const none = { kind: [], chain: [], entity: [], reason: [], min_pct: "", severity: "", q: "" };
console.log(JSON.stringify(filters.map((filter) => events.map(matcher({ ...none, ...filter })))));
"""


def as_on_the_page(event: Any) -> dict[str, Any]:
    data = event.data
    size = 1e300 if data.reason is Reason.FROM_ZERO else data.change_pct and float(data.change_pct)
    names = {part: getattr(data, part) for part in ("kind", "chain", "entity", "severity", "reason")}
    return {**names, "change": size, "text": ""}


def test_the_page_and_the_gateway_let_the_same_events_through() -> None:
    script = (SCRIPTS / "matching.js").read_text(encoding="utf-8")
    given = json.dumps([script, FILTERS, [as_on_the_page(event) for event in EVENTS]])
    call = [node(), "--input-type=module", "--eval", CALL, given]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=60)
    wanted = [[EventFilter.from_json(one).matches(event) for event in EVENTS] for one in FILTERS]
    assert dict(zip(map(str, FILTERS), json.loads(done.stdout), strict=True)) == dict(
        zip(map(str, FILTERS), wanted, strict=True)
    )


def test_every_reason_can_be_chosen() -> None:
    (listed,) = re.findall(r"const REASONS = (\[.*?\]);", (SCRIPTS / "filters.js").read_text(encoding="utf-8"), re.S)
    assert sorted(json.loads(listed)) == sorted(Reason)

"""The scenarios of `rtp loadtest`: what is written, in which rhythm, and what is required of rtp meanwhile.

A new scenario is one small file here and one line in `ALL`.
"""

from __future__ import annotations

from core.errors import SettingsError
from loadtests.scenarios.append import APPEND
from loadtests.scenarios.bulk import BULK
from loadtests.scenarios.burst import BURST
from loadtests.scenarios.crash import CRASH
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.soak import SOAK
from loadtests.scenarios.steady import STEADY

ALL = {scenario.name: scenario for scenario in (STEADY, BULK, APPEND, BURST, CRASH, SOAK)}

__all__ = ["ALL", "Scenario", "find_scenario"]


def find_scenario(name: str) -> Scenario:
    """The scenario of that name. Raises SettingsError where there is none."""
    try:
        return ALL[name]
    except KeyError:
        raise SettingsError(f"option --scenario: must be one of {', '.join(ALL)}") from None

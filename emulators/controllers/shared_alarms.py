"""Alarms that several machines have: declared once, each machine says only what is different."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twin.alarms import Priority
from twin.signals import Signal, alarm

__all__ = [
    "BED_STREAK",
    "OXYGEN_HIGH",
    "POWDER_EMPTY",
    "POWDER_LOW",
    "PURGE_FAILS",
    "RECOATER_FAULT",
    "SHORT_FEED",
    "WATER_FLOW_LOW",
    "WATER_LOST",
    "WATER_WARM",
    "like",
]


def like(pattern: Signal, *, doc: str = "", **different: Any) -> Any:
    """The declaration of an alarm as in `pattern`, but for the fields of its definition named.

    `TypeError` for a field that `AlarmDefinition` does not have.
    """
    assert pattern.alarm is not None
    doc = doc or pattern.doc
    return replace(pattern, doc=doc, alarm=replace(pattern.alarm, message=doc, **different))


WATER_FLOW_LOW = alarm(
    doc="cooling water flow low",
    priority=Priority.HIGH,
    source="Chiller.Flow",
    low=9,
    deadband=0.5,
    on_delay=3,
    cause="pump, hose, filter of the chiller",
    consequence="the safety chain opens when the flow is half",
    response="check the chiller",
)
WATER_LOST = alarm(
    doc="cooling water lost",
    priority=Priority.URGENT,
    action="P",
    cause="pump, hose, filter of the chiller",
    consequence="the flow switch has cut the source of heat off; the job is held, the gas stays",
    response="leave it closed, restore the water, resume",
)
"""Of machines whose job outlives it, see `BuildController.SPARED`."""
WATER_WARM = alarm(
    doc="cooling water return warm",
    priority=Priority.MEDIUM,
    source="Chiller.ReturnTemperature",
    high=35,
    deadband=1,
    on_delay=5,
    cause="low flow, high heat load",
    consequence="laser power drifts",
    response="check the chiller",
)
OXYGEN_HIGH = alarm(
    doc="oxygen above the limit",
    priority=Priority.HIGH,
    action="B",
    high="Process.OxygenLimit",
    deadband=5,
    on_delay=2,
    cause="leak, gas out",
    consequence="job held; oxide in the beads",
    response="find the leak, purge, resume below the limit",
)
"""Of gas round a melt pool; each machine says where it is measured."""
PURGE_FAILS = alarm(
    doc="purging takes too long",
    priority=Priority.MEDIUM,
    phases=("purge",),
    cause="no nitrogen, leak, oxygen cell",
    consequence="the job does not begin",
    response="check gas supply and seals",
)
RECOATER_FAULT = alarm(
    doc="recoater stopped",
    priority=Priority.HIGH,
    action="B",
    cause="part curled up, blade blocked",
    consequence="layer not spread; part may be damaged",
    response="look through the window, free the recoater, resume (which resets the drive)",
)
SHORT_FEED = alarm(
    doc="powder does not cover the bed",
    priority=Priority.MEDIUM,
    source="Recoater.BedBrightness",
    low=65,
    deadband=3,
    on_delay=1,
    cause="low dosing factor, bridging in the supply",
    consequence="thin layer, then a thick one",
    response="raise the dosing factor, check the supply",
)
BED_STREAK = alarm(
    doc="streak on the powder bed",
    priority=Priority.MEDIUM,
    source="Recoater.BedStreak",
    high=10,
    deadband=2,
    on_delay=1,
    cause="nick in the blade, dirt on it",
    consequence="ridge of powder, lack of fusion below it",
    response="hold, change the blade, resume",
)
POWDER_LOW = alarm(
    doc="powder supply low",
    priority=Priority.LOW,
    source="Recoater.PowderLevel",
    low=10,
    deadband=2,
    on_delay=1,
    cause="powder used up",
    consequence="short feed, then a hold",
    response="refill",
)
POWDER_EMPTY = alarm(
    doc="powder supply empty",
    priority=Priority.MEDIUM,
    action="B",
    source="Recoater.PowderLevel",
    low=1,
    deadband=1,
    on_delay=1,
    cause="powder used up",
    consequence="job held",
    response="refill and resume",
)

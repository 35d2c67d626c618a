"""What every build machine's controller shows: state, feedstock, the alarms all of them have."""

from __future__ import annotations

from typing import Any

from emulators.controllers.base import AlarmBank
from emulators.controllers.states import MachineState
from twin.alarms import Priority
from twin.signals import Component, alarm, status

__all__ = ["BuildAlarms", "Feedstock", "MachineStatus", "ProcessSettings", "phase_status"]


def phase_status(phases: tuple[str, ...]) -> Any:
    """The declaration of ``Machine.Phase`` for a machine's phases; the first one is ``none``."""
    return status(int, choices=phases, doc="phase of the sequence")


class MachineStatus(Component):
    """State of the machine in its own words and as the companion specifications number it."""

    state = status(
        int,
        choices=tuple(s.name.lower() for s in MachineState),
        start=1,
        doc="state of the controller",
    )
    phase = phase_status(("none",))
    item_state = status(
        int,
        low=0,
        high=3,
        start=2,
        companion="MachineryBuildingBlocks/MachineryItemState",
        doc="Machinery item state number",
    )
    operation_mode = status(
        int,
        low=0,
        high=3,
        start=3,
        companion="MachineryBuildingBlocks/MachineryOperationMode",
        doc="Machinery operation mode number",
    )
    machine_tool_mode = status(
        int,
        low=0,
        high=5,
        start=1,
        companion="Monitoring/MachineTool/OperationMode",
        doc="machine tool operation mode",
    )
    program_state = status(
        int,
        low=0,
        high=4,
        start=2,
        companion="Production/ActiveProgram/State",
        doc="program state number",
    )
    power_on_duration = status("h", low=0, high=1e6, doc="time since the controller was started")
    operation_duration = status("h", low=0, high=1e6, doc="time spent preparing, working, cooling")
    operation_cycle_counter = status(int, low=0, high=1_000_000, doc="jobs finished")
    packml = status(str, length=16, start="IDLE", doc="PackML name of the state")
    reason = status(str, length=64, doc="why the job is held or was aborted")


class Feedstock(Component):
    """What the machine makes parts or powder of."""

    identifier = status(
        str,
        length=64,
        start="LOT-0001",
        companion="Equipment/Feedstock/Powder/Identifier",
        doc="lot of the feedstock",
    )
    name = status(str, length=64, companion="Equipment/Feedstock/Powder/Name", doc="alloy")
    remaining_quantity = status(
        "kg",
        low=0,
        high=1000,
        companion="Equipment/Feedstock/Powder/RemainingQuantity",
        doc="feedstock left in the machine",
    )
    ready_for_production = status(
        bool,
        start=True,
        companion="Equipment/Feedstock/Powder/ReadyForProduction",
        doc="lot released",
    )
    cycle = status(
        int,
        low=0,
        high=10_000,
        companion="Equipment/Feedstock/Powder/Cycle",
        doc="times the lot has been reused",
    )


class ProcessSettings(Component):
    """Base of a machine's setpoints, which an operator may move, and parameters of the recipe."""

    def take(self, recipe: Any) -> None:
        """What a recipe says becomes setpoints and parameters.

        `Refused` names what this machine cannot do.
        """
        self.adopt(recipe)
        for name, signal in self.signals.items():
            value = signal.from_si(getattr(self, name))
            # Nine digits: 30 L/min must not be refused as 30.000000000000004.
            signal.check(float(f"{value:.9g}") if signal.type is float else value)

    def adopt(self, recipe: Any) -> None:
        """Set the signals (SI) from a recipe of the machine's kind; ranges are checked after."""
        raise NotImplementedError(f"{type(self).__name__} follows no recipe")


class BuildAlarms(AlarmBank):
    """The alarms that every build machine has; a machine's own come after them."""

    safety_chain = alarm(
        doc="safety chain open",
        priority=Priority.URGENT,
        action="A",
        cause="what Safety.FirstOut names: emergency stop, door, cooling water, watchdog …",
        consequence="sources of heat and drives are without power, the job ends",
        response="find the first cause, remove it, clear the machine (Machine.Clear)",
    )
    power_loss = alarm(
        doc="mains voltage lost",
        priority=Priority.URGENT,
        action="P",
        cause="power dip",
        consequence="everything stopped; heat and time are lost, gas or vacuum may be",
        response="judge how far it has cooled and what oxygen did meanwhile, then resume or abort",
    )
    start_blocked = alarm(
        doc="a job waits, but the machine cannot be loaded",
        priority=Priority.MEDIUM,
        cause="emergency stop or door, chain not reset; or still hot, so that the door is locked",
        consequence="the job does not start",
        response="close the door, release the button, clear the machine; or wait until it is cold",
    )

"""What the controller of a wire-laser machine shows and takes: setpoints and alarms."""

from __future__ import annotations

from emulators.controllers.ded_signals import POOL_SATURATED, WINDOW_DIRTY, WINDOW_HOT, Machine
from emulators.controllers.ded_wire_signals import SHIELD_LOW, WireAlarms, WireProcess
from emulators.controllers.shared_alarms import like
from emulators.recipes.ded_wire_laser import Recipe
from twin.alarms import Priority
from twin.signals import alarm, parameter, setpoint

__all__ = ["Alarms", "Machine", "Process"]


class Process(WireProcess):
    """Setpoints and parameters of a wire-laser job; laser and wire act within a pass."""

    laser_power = setpoint("W", low=0, high=10_000, start=4000, doc="laser power of a pass")
    hot_wire_current = setpoint("A", low=0, high=350, doc="hot-wire current at the recipe's wire "
                                "feed, follows the root of the feed; 0: cold wire")
    bead_width = setpoint("mm", low=0, high=20, doc="pool width that the camera's regulator "
                                                    "holds; 0: none")
    width_control = parameter(bool, doc="let the camera regulate laser power by pool width")
    regulator_authority = parameter("%", low=0, high=50, start=15,
                                    doc="most that the regulator may add or take")

    def adopt_own(self, recipe: Recipe) -> None:
        super().adopt_own(recipe)
        laser = recipe.laser
        self.laser_power, self.hot_wire_current = laser.power, recipe.hot_wire.current
        self.bead_width, self.width_control = laser.pool_width, laser.regulate
        self.regulator_authority = laser.authority


class Alarms(WireAlarms):
    """The alarms of a wire-laser machine."""

    shield_low = like(SHIELD_LOW, source="Nozzle.GasFlow")
    window_dirty = like(WINDOW_DIRTY)
    window_hot = like(WINDOW_HOT, high=75)
    pool_saturated = like(POOL_SATURATED)
    wire_drips = alarm(
        doc="wire drips instead of flowing",
        priority=Priority.MEDIUM,
        on_delay=2,
        phases=("pass",),
        cause="surface too low, too much power or current for the feed",
        consequence="humps on the bead, then no contact",
        response="raise wire feed or lower the head, less hot-wire current",
    )
    wire_off = alarm(
        doc="wire does not reach the pool",
        priority=Priority.HIGH,
        action="B",
        on_delay=4,
        phases=("pass",),
        cause="surface far too low, wire bent away",
        consequence="job held: big drops beside the bead",
        response="lower the stand-off or the layer step, resume",
    )
    hot_wire_fused = alarm(
        doc="hot wire melts before the pool",
        priority=Priority.HIGH,
        action="B",
        source="HotWire.Voltage",
        high=11,
        deadband=0.5,
        on_delay=0.5,
        phases=("pass",),
        cause="too much current for the wire feed, feed lost",
        consequence="arcs, spatter; job held",
        response="less current, restore the feed, resume",
    )

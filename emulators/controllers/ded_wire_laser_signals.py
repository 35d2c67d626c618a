"""What the controller of a wire-laser machine shows and takes: setpoints and alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import phase_status
from emulators.controllers.ded_signals import LAYER_PHASES, PHASES
from emulators.controllers.ded_wire_signals import WireAlarms, WireProcess
from emulators.recipes.ded_wire_laser import Recipe
from twin.alarms import Priority
from twin.signals import alarm, parameter, setpoint

__all__ = ["Alarms", "Machine", "Process"]


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


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

    def take_more(self, recipe: Recipe) -> None:
        super().take_more(recipe)
        laser = recipe.laser
        self.laser_power, self.hot_wire_current = laser.power, recipe.hot_wire.current
        self.bead_width, self.width_control = laser.pool_width, laser.regulate
        self.regulator_authority = laser.authority


class Alarms(WireAlarms):
    """The alarms of a wire-laser machine."""

    shield_low = alarm(
        doc="shielding gas low",
        priority=Priority.HIGH,
        action="B",
        source="Nozzle.GasFlow",
        low="Process.ShieldLow",
        deadband=0.5,
        on_delay=1,
        phases=LAYER_PHASES,
        cause="bottle empty, hose, valve",
        consequence="job held; oxide and pores in the bead",
        response="mend the gas (Service.MendGas), grind back, resume",
    )
    window_dirty = alarm(
        doc="protective window scatters light",
        priority=Priority.MEDIUM,
        source="Laser.WindowScatter",
        high=6,
        deadband=0.5,
        on_delay=1,
        cause="spatter and fume on the window",
        consequence="power on the part falls, the window warms",
        response="hold, change the window, check the power by calorimeter, flag the layers",
    )
    window_hot = alarm(
        doc="protective window too hot",
        priority=Priority.URGENT,
        action="A",
        source="Laser.WindowTemperature",
        high=75,
        deadband=5,
        phases=("pass",),
        cause="dirty window at high power",
        consequence="the window cracks; job ended before the optics are lost",
        response="change the window, inspect the optics",
    )
    pool_saturated = alarm(
        doc="pool regulator at its limit",
        priority=Priority.HIGH,
        action="B",
        on_delay=2,
        phases=("pass",),
        cause="dirty window, power drift, wrong width demand: the regulator can no longer hide it",
        consequence="job held; what follows would be too narrow or too wide",
        response="look at window scatter and power at the pick-off, mend, flag the layers, resume",
    )
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

"""What the controller of an arc deposition machine shows and takes: setpoints and alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import phase_status
from emulators.controllers.ded_signals import LAYER_PHASES, PHASES
from emulators.controllers.ded_wire_signals import WireAlarms, WireProcess
from emulators.recipes.ded_arc import Recipe
from twin.alarms import Priority
from twin.signals import alarm, parameter, setpoint

__all__ = ["Alarms", "Machine", "Process"]


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class Process(WireProcess):
    """Setpoints and parameters of an arc deposition job."""

    voltage = setpoint("V", low=12, high=45, start=26, doc="voltage of the source at the recipe's "
                       "wire feed")
    synergy = parameter("V", low=0, high=5, start=1.1,
                        doc="what the voltage rises by for each m/min of wire feed above the "
                            "recipe's")

    def take_more(self, recipe: Recipe) -> None:
        super().take_more(recipe)
        self.voltage, self.synergy = recipe.arc.voltage, recipe.arc.synergy


class Alarms(WireAlarms):
    """The alarms of an arc deposition machine."""

    shield_low = alarm(
        doc="shielding gas low",
        priority=Priority.HIGH,
        action="B",
        source="Torch.GasFlow",
        low="Process.ShieldLow",
        deadband=0.5,
        on_delay=1,
        phases=LAYER_PHASES,
        cause="bottle empty, hose, valve",
        consequence="job held; oxide and pores in the bead",
        response="mend the gas (Service.MendGas), grind back, resume",
    )
    nozzle_hot = alarm(
        doc="gas nozzle too hot",
        priority=Priority.MEDIUM,
        source="Torch.NozzleTemperature",
        high=250,
        deadband=10,
        on_delay=5,
        phases=LAYER_PHASES,
        cause="long arc time, torch water lost",
        consequence="spatter sticks, the tip wears",
        response="longer dwell, look at the torch's water",
    )
    heat_input_high = alarm(
        doc="heat input high",
        priority=Priority.LOW,
        source="Bead.HeatInput",
        high=1.5,
        deadband=0.05,
        on_delay=2,
        phases=("pass",),
        cause="slow travel, high current",
        consequence="wide and low beads, coarse grains",
        response="travel faster or feed less wire",
    )

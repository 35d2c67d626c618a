"""What the controller of an arc deposition machine shows and takes: setpoints and alarms."""

from __future__ import annotations

from emulators.controllers.ded_signals import LAYER_PHASES, Machine
from emulators.controllers.ded_wire_signals import SHIELD_LOW, WireAlarms, WireProcess
from emulators.controllers.shared_alarms import like
from emulators.recipes.ded_arc import Recipe
from twin.alarms import Priority
from twin.signals import alarm, parameter, setpoint

__all__ = ["Alarms", "Machine", "Process"]


class Process(WireProcess):
    """Setpoints and parameters of an arc deposition job."""

    voltage = setpoint("V", low=12, high=45, start=26, doc="voltage of the source at the recipe's "
                       "wire feed")
    synergy = parameter("V", low=0, high=5, start=1.1,
                        doc="what the voltage rises by for each m/min of wire feed above the "
                            "recipe's")

    def adopt_own(self, recipe: Recipe) -> None:
        super().adopt_own(recipe)
        self.voltage, self.synergy = recipe.arc.voltage, recipe.arc.synergy


class Alarms(WireAlarms):
    """The alarms of an arc deposition machine."""

    shield_low = like(SHIELD_LOW, source="Torch.GasFlow")
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

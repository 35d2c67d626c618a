"""The bed of an electron-beam machine: heated by the beam, sintering, charging, and its rake."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.electron_gun import ElectronGun, HighVoltage
from twin.equipment.powder_bed import Recoater, Stage
from twin.machine import AMBIENT, Equipment
from twin.materials import Alloy
from twin.meltpool.electron_image import alloy_yield
from twin.meltpool.part_heat import HeatLoss
from twin.physics.bed_heat import BedHeat, course
from twin.physics.bed_sintering import Necks, bed_conductivity, degree, sintering_rate
from twin.physics.electron_beam import absorbed_share
from twin.physics.smoke import Powder, charge_peak, charge_relaxation, lifting_index
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline

__all__ = ["BeamHeatedStage", "Preheater", "Rake"]

Floats = npt.NDArray[np.float64]


class BeamHeatedStage(Stage):
    """A stage whose bed the beam keeps hot; what it bears without smoking depends on that.

    Surface and stack: see `twin.physics.bed_heat`. The stack grows with the build, so the plate
    falls behind. Fresh powder comes cold and loose; its necks grow with time and temperature
    (`bed_sintering`), and its charge leaks the slower the colder, looser and more oxidised it is
    (`smoke`).
    """

    BED = (0.25, 0.25)  # m
    SURFACE = 800.0  # J/K: the uppermost centimetre of the bed, default
    PLATE = 3000.0  # J/K: start plate, default
    STACK = 2600.0 * 700.0  # J/(m3 K): powder and parts below the surface, default
    LAYER = 0.02  # m of bed between surface and stack, and what a growing one adds, default
    METAL = 20.0  # W/(m K) of a start plate that no powder covers yet, default
    CAKE = 4.0  # W/(m K) that parts in the cake add, default
    WALLS = 0.25  # W/K from the stack to the tank's walls, default
    EMISSIVITY = 0.12  # effective, through the heat shields, default
    HELIUM = 0.35  # W/K that helium well above `HELIUM_HALF` takes from the surface, default
    HELIUM_HALF = 1.0  # Pa at which it takes half of that, default
    COLD = 300.0  # K of the water-cooled walls
    FRESH = 400.0  # K of powder from the hoppers beside the hot bed, default
    POWDER_HEAT = 700.0  # J/(kg K), default
    OXIDATION = 2e-4  # growth of the oxide film per Pa of air and second on a hot bed, default
    HOT = 600.0  # K above which air oxidises it, default

    temperature = measured("degC", low=0, high=1200, start=20, noise=0.2, quantum=0.1,
                           companion="Monitoring/Process/PlateTemperature",
                           doc="thermocouple under the start plate")
    surface_temperature = measured("degC", low=0, high=1500, start=20, noise=0.3, quantum=0.1,
                                   companion="Monitoring/Process/BedTemperature",
                                   doc="bed surface, infrared")
    shield_damage = fault("", low=1, high=10, start=1, doc="factor on what the heat shields let "
                          "through")
    oxidised_powder = fault("", low=1, high=100, start=1, doc="oxide film of the powder over the "
                            "usual one")

    def __init__(self, helium: Callable[[], float]) -> None:
        """`helium` tells the true partial pressure (Pa) around the bed."""
        # The bed's surface is around a part's top: exchange with it stands for the gas.
        super().__init__(HeatLoss(gas_transfer=200.0, emissivity=0.0, powder_conductivity=2.0,
                                  powder_distance=0.02))
        self._helium = helium
        self._preheat = 0.0  # W taken up from a preheating beam
        self._melt = 0.0  # W from melting
        self._epoch = 0
        self.alloy: Alloy | None = None
        self.neck = 0.0  # over the grain's radius, of the uppermost layer
        self.film = 1.0  # oxide that air has added
        self.grip = 1.0  # this layer's adhesion over the usual one
        self.lot_film = 1.0  # oxide film of the lot over the usual powder's
        self.lot_grip = 1.0  # how firmly its grains lie, likewise
        self._necked = 0.0  # when `neck` was that
        self.air: Callable[[], float] = lambda: 0.0
        """True pressure (Pa) around the bed of what is not helium."""
        self._aired = (0.0, 0.0)  # s and Pa when air was last looked at
        self.powdered = False  # whether powder lies on the plate
        self.tank = self.BED[0]  # m, edge of the build tank; an insert makes it smaller
        self.powder = Powder()
        self.necks = Necks()

    @property
    def around(self) -> float:
        """Temperature (K) that a part's top exchanges heat with: the bed's surface."""
        way = self.trajectories.get("surface_temperature")
        return float(way.at(self.now)) if way else float(self.surface_temperature)

    def started(self) -> None:
        if not self.trajectories:
            self._anchor_bed()

    def driven(self, attribute: str) -> None:
        super().driven(attribute)
        if attribute == "shield_damage":
            self._anchor_bed()

    def tripped(self, power_lost: bool) -> None:
        self._preheat = self._melt = 0.0
        self._anchor_bed()
        super().tripped(power_lost)

    # -- heat ---------------------------------------------------------------------------------

    def _heat(self) -> BedHeat:
        area = self.tank**2
        size = area / (self.BED[0] * self.BED[1])
        height, k = self.LAYER + max(self.depth, 0.0), self.METAL
        if self.powdered and self.alloy is not None:
            warm = min(max(self.around, 300.0), self.alloy.solidus)
            # The cake below has been hot for long.
            k = float(bed_conductivity(self.alloy, 0.2, warm)) + self.CAKE
        pressure = self._helium()
        return BedHeat(
            surface=self.SURFACE * size,
            stack=self.PLATE * size + self.STACK * area * max(self.depth, 0.0),
            between=k * area / height,
            walls=self.WALLS * size,
            gas=size * self.HELIUM * pressure / (pressure + self.HELIUM_HALF),
            radiating=area * self.EMISSIVITY * float(self.shield_damage),
            cold=self.COLD,
        )

    def again(self) -> None:
        """What the bed loses has changed."""
        self._anchor_bed()

    def _anchor_bed(self) -> None:
        now = self.now
        self.oxidise()
        self.sense(now)
        times, tops, feet = course(self._heat(), self._preheat + self._melt,
                                   float(self.surface_temperature), float(self.temperature))
        at = tuple(now + t for t in times)
        self.follow("surface_temperature", Polyline(at, tuple(tops)))
        self.follow("temperature", Polyline(at, tuple(feet)))
        self._anchor_part(now)

    def preheated(self, power: float) -> None:
        """A preheating beam gives so much power (W taken up) to the bed from now on."""
        if power != self._preheat:
            self._preheat = power
            self._anchor_bed()

    def expose(
        self, island: npt.NDArray[np.intp], begun: Floats, ended: Floats, energy: Floats
    ) -> None:
        finite = np.isfinite(ended) & (ended > self.now)
        mean = 0.0
        if finite.any():
            left = (ended[finite] - np.maximum(begun[finite], self.now)) / np.maximum(
                ended[finite] - begun[finite], 1e-12)
            mean = float(energy[finite] @ left) / (float(ended[finite].max()) - self.now)
        if mean != self._melt:
            self._melt = mean
            self._anchor_bed()
        super().expose(island, begun, ended, energy)

    # -- powder on top ------------------------------------------------------------------------

    def load(self, alloy: Alloy | None, density: float, tank: float) -> None:
        """A clean plate at room temperature in a tank (edge in m), powder of a density (kg/m3)."""
        self.alloy, self.tank = alloy, min(tank, self.BED[0])
        self.clear()
        self._preheat = self._melt = 0.0
        self.neck, self.film, self.grip, self._necked = 0.0, 1.0, 1.0, self.now
        self._aired = (self.now, 0.0)
        self.powdered = False
        if alloy is not None:
            self.settle("surface_temperature", AMBIENT)
            self.settle("temperature", AMBIENT)
            self.powder = Powder(bulk_density=density)
        self._anchor_bed()

    def spread(self, mass: float, grip: float) -> None:
        """So much fresh powder (kg) lies on top, cold and loose; `grip`: its adhesion."""
        now = self.now
        self.sense(now)
        # Surface and powder are both in proportion to the bed's area.
        cold = mass * self.POWDER_HEAT / self.SURFACE
        warm = float(self.surface_temperature)
        self.settle("surface_temperature", (warm + cold * self.FRESH) / (1.0 + cold))
        self.neck, self._necked, self.grip = 0.0, now, grip
        self.powdered = True
        self._anchor_bed()

    def ripen(self) -> float:
        """Let the necks of the uppermost layer grow up to now; their size over the grain's."""
        now, pieces = self.now, 4
        way = self.trajectories.get("surface_temperature")
        if way is not None and now > self._necked:
            span = now - self._necked
            middles = [self._necked + (i + 0.5) / pieces * span for i in range(pieces)]
            rates = sintering_rate(self.necks, np.array([way.at(t) for t in middles]))
            grown = self.neck**self.necks.exponent + float(rates.mean()) * span
            self.neck = grown ** (1.0 / self.necks.exponent)
        self._necked = now
        return self.neck

    def oxidise(self) -> None:
        """Let the oxide film grow up to now by the air around the bed while that was hot.

        Mean of the pressures at both ends, so that looking often or seldom is the same; called
        before the bed's course changes and at both sides of a jump in pressure.
        """
        now, pieces = self.now, 8
        since, before = self._aired
        air = max(self.air(), 0.0)
        self._aired = (now, air)
        way = self.trajectories.get("surface_temperature")
        if way is None or now <= since:
            return
        step = (now - since) / pieces
        hot = sum(way.at(since + (i + 0.5) * step) > self.HOT for i in range(pieces))
        self.film += self.OXIDATION * 0.5 * (before + air) * hot * step

    def charge_index(
        self, current: float, speed: float, diameter: float, return_time: float
    ) -> float:
        """How far a beam (A on a spot of `diameter` m) charges the bed; above 1 it smokes."""
        if self.alloy is None or not self.powdered:
            return 0.0
        film = self.film * float(self.oxidised_powder) * self.lot_film
        # A thicker film has to be bridged by larger necks.
        sintered = float(degree(self.ripen() / film ** (1.0 / 3.0)))
        tau = charge_relaxation(self.powder, self.around, film, sintered)
        kept = 1.0 - alloy_yield(self.alloy)
        q = charge_peak(self.powder, current, kept, speed, diameter,
                        max(return_time, diameter / speed), tau, self._helium(), sintered)
        return float(lifting_index(self.powder, q, sintered)) / (self.grip * self.lot_grip)

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "preheat": self._preheat, "melt": self._melt,
                "neck": self.neck, "necked": self._necked, "film": self.film, "grip": self.grip,
                "powdered": self.powdered, "tank": self.tank, "aired": list(self._aired)}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._preheat, self._melt = hidden["preheat"], hidden["melt"]
        self.neck, self._necked = hidden["neck"], hidden["necked"]
        self.film, self.grip = hidden["film"], hidden["grip"]
        self.powdered, self.tank = hidden["powdered"], hidden["tank"]
        self._aired = (hidden["aired"][0], hidden["aired"][1])
        super().restore_hidden(hidden)


class Preheater(Equipment):
    """Scans the bed, or a square of it, with a wide beam of all guns until told to stop.

    Lines one spot apart; the beam is back after edge^2 / (v d). Whether the bed bears it is
    looked at on a grid of `TICK` while a beam is on it, and when something changes.
    """

    TICK = 2.0  # s

    busy = measured(bool, doc="the beam preheats the bed")
    power = measured("W", low=0, high=10_000, noise=2, quantum=1,
                     companion="Monitoring/Process/PreheatPower",
                     doc="beam power while preheating, from voltage and measured current")
    return_time = measured("ms", low=0, high=10_000, quantum=0.01,
                           doc="time until the beam is back at the same place")
    run = actuator(bool, doc="preheat while true")
    current = actuator("mA", low=0, high=100, doc="current of all guns together")
    edge = actuator("mm", low=20, high=250, start=200, doc="edge of the preheated square")
    speed = actuator("m/s", low=0.5, high=50, start=15, doc="speed of the beam")
    spot = actuator("mm", low=0.3, high=20, start=4, doc="diameter of the defocused beam")

    def __init__(
        self,
        guns: list[ElectronGun],
        supply: HighVoltage,
        stage: BeamHeatedStage,
        smokes: Callable[[float], None],
        melting: Callable[[], tuple[float, float, float, float] | None],
    ) -> None:
        """`smokes` is called with the index when the bed bursts.

        `melting`: current (A), speed, spot diameter and return time of a melting beam, if any.
        """
        super().__init__()
        self._guns = guns
        self._supply = supply
        self._stage = stage
        self._smokes = smokes
        self._melting = melting
        self._watching = 0  # number of the process that looks at the bed
        self._watched = False
        for gun in guns:
            gun.watchers.append(self.again)

    def driven(self, attribute: str) -> None:
        self.again()

    def tripped(self, power_lost: bool) -> None:
        self.run = False
        self.again()

    @property
    def period(self) -> float:
        """Time (s) until the beam is back at the same place."""
        edge, speed, spot = float(self.edge), float(self.speed), float(self.spot)
        return edge**2 / (speed * spot)

    def again(self) -> None:
        """Begin, change or end preheating as things are now."""
        ready = self._supply.ready and any(gun.enable for gun in self._guns)
        on = bool(self.run and ready and self.current > 0 and self.plant.energised)
        if not on:
            if self.busy:
                self.busy = False
                if self._melting() is None:
                    for gun in self._guns:
                        gun.glow(0.0)
                self.power = 0.0
                self._stage.preheated(0.0)
            return
        volts = float(self._supply.demand)
        asked = float(self.current) / len(self._guns)
        lit = [gun for gun in self._guns if gun.enable]
        for gun in lit:
            gun.glow(asked)
        self.busy, self.return_time = True, self.period
        self.power = sum(gun.mean_current for gun in lit) * volts
        landed = sum(
            float(gun.plate_power(np.array([asked * volts]), np.zeros(1))[0]) for gun in lit)
        alloy = self._stage.alloy
        share = absorbed_share(alloy) if alloy is not None else 0.88
        self._stage.preheated(landed * share)
        self.look()
        self.watch()

    def watch(self) -> None:
        """Look at the bed on the grid as long as a beam is on it."""
        if not self._watched and self._stage.powdered:
            self._watched = True
            self._watching += 1
            self.plant.run(self._tick(self._watching))

    def _tick(self, process: int) -> Generator[Any, Any, None]:
        number = int(self.now / self.TICK)
        while True:
            number += 1
            yield self.plant.env.at(number * self.TICK)
            if process != self._watching:
                return
            if not (self.busy or self._melting() is not None):
                self._watched = False
                return
            self.look()

    def look(self) -> None:
        """Whether the bed bears the beam that is on it."""
        stage = self._stage
        stage.oxidise()
        melting = self._melting()
        if melting is not None:
            index = stage.charge_index(*melting)
        elif self.busy:
            current = sum(gun.landed_current for gun in self._guns)
            index = stage.charge_index(
                current, float(self.speed), float(self.spot), self.period)
        else:
            return
        if index > 1.0:
            self._smokes(index)

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._watching += 1
        self._watched = False


class Rake(Recoater):
    """Rake with flexible teeth between two hoppers; powder recovery of the finished build."""

    TRAVEL = 0.36  # m, default
    BED = (0.25, 0.25)
    CRASH_SHARE = MappingProxyType({"rake": 4.0})  # per layer thickness, default
    CAPACITY = 80.0  # kg of powder in the hoppers, default
    RECOVERED = 0.97  # share of the cake that comes back from blasting and sieving, default
    RECOVERY = 1800.0  # s, default

    position = measured("mm", low=0, high=500, quantum=0.1, doc="rake position")
    at_home = measured(bool, start=True, doc="rake at its home position")
    bed_brightness = measured("%", low=0, high=100, start=80, noise=0.3, quantum=0.1,
                              companion="Monitoring/Process/BedBrightness",
                              doc="chamber camera: mean brightness of the far end of the bed "
                                  "after raking; falls when powder does not reach it")
    bed_streak = measured("%", low=0, high=100, noise=0.2, quantum=0.1,
                          doc="chamber camera: contrast of the strongest streak along the stroke")
    recovering = measured(bool, doc="powder recovery under way")
    recover = actuator(bool, edge=True, doc="blast the cake with its own powder, sieve it, fill "
                       "the hoppers (rising edge)")
    jam = fault(bool, doc="rake drive blocked")
    blade_nick = fault("um", low=0, high=500, doc="depth of a notch left by a bent tooth")

    def __init__(self, spread: Callable[[], None], depth: Callable[[], float]) -> None:
        super().__init__("rake", spread, depth)
        self.built = 0.0  # kg of metal in the parts since the plate was clean
        self.raked = 0.0  # kg that left the hoppers since then

    def driven(self, attribute: str) -> None:
        if attribute == "recover" and self.recover and not self.recovering:
            self.plant.run(self._recover())
        else:
            super().driven(attribute)

    def empty(self) -> None:
        super().empty()
        self.built = self.raked = 0.0

    def _dose(self) -> None:
        before = float(self.powder_level)
        super()._dose()
        self.raked += (before - float(self.powder_level)) * self.CAPACITY

    def laid(self) -> float:
        """Mass (kg) of the last layer, as if it were even."""
        return float(self._fresh.mean()) * self.BED[0] * self.BED[1] * self.powder_density

    def blow(self, x: float, radius: float) -> None:
        """Powder around a strip (m) flew up and away: its layer is gone, heaps lie beside it."""
        places = (np.arange(self.CELLS) + 0.5) / self.CELLS * self.BED[0] - self.BED[0] / 2
        gone = np.abs(places - x) < radius
        self._filled = self._filled - np.where(gone, np.minimum(self._fresh, self._filled), 0.0)
        self._fresh = np.where(gone, 0.0, self._fresh)
        self.covered = 1.0 - float(gone.mean())

    def _recover(self) -> Generator[Any, Any, None]:
        self.recovering = True
        self.draw(1500.0)
        yield self.plant.env.timeout(self.RECOVERY)
        self.recovering = False
        self.draw(0.0)
        back = max(self.raked - self.built, 0.0) * self.RECOVERED
        self.powder_level = min(float(self.powder_level) + back / self.CAPACITY, 1.0)
        self.overflow_level = 0.0
        self.log("process", "powder recovered", mass=back, lost=self.raked - self.built - back)
        self.raked = self.built = 0.0

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "built": self.built, "raked": self.raked}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self.built, self.raked = hidden["built"], hidden["raked"]


def adhesion_of(rng: np.random.Generator) -> float:
    """Adhesion of one layer over the usual one: no two layers are alike, 8 %, default."""
    return exp(0.08 * float(np.clip(rng.standard_normal(), -2.5, 2.5)))

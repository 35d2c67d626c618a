"""Directed energy deposition with laser and powder: the plant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import expm1, isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.chamber import InertChamber
from twin.equipment.deposition import Deposit, DepositionJob, LayerResult, Stretch
from twin.equipment.deposition_laser import DepositionLaser, PoolCamera
from twin.equipment.deposition_plant import DepositionPlant
from twin.equipment.powder_feeder import HeadGas, PowderFeeder
from twin.equipment.powder_lots import PowderLots, PowderPlant
from twin.materials import Alloy
from twin.meltpool.defects import GAS_ESCAPE, GAS_SIZE, LOG_SPREAD, DefectKind, gas_pore_density
from twin.parts.passes import Pass
from twin.physics.deposition import PowderCone, bead_area, dilution, mean_width, melted_area
from twin.powder.ageing import Use

__all__ = ["DedPowder", "Enclosure", "PowderSettings"]

Floats = npt.NDArray[np.float64]


class Enclosure(InertChamber):
    """Light-tight enclosure of laser class 1, which can be made inert."""

    VOLUME = 0.9  # m3, default


@dataclass(frozen=True)
class PowderSettings:
    """What the powder process takes from the recipe."""

    spot: float
    """Laser spot on the surface, D4sigma, m."""
    preheat: float
    """Interpass temperature of the working point, K."""
    cone: PowderCone
    alloys: tuple[Alloy, ...]
    """Of the hoppers' powders."""
    pool_width: float
    """Width of the pool at the working point, m."""


class DedPowder(DepositionPlant, PowderPlant):
    """A laser powder deposition machine in its enclosure, with two to four hoppers.

    It is also the `Process` of its head: what laser and powder make of a stretch of a pass.
    """

    PLATE = (0.45, 0.45)  # m
    HEIGHT = 0.4  # m
    STANDBY = 900.0  # W of the control cabinet and drives at rest, default
    ENCLOSURE = Enclosure
    MELTING = 0.2  # share of the absorbed power that melts, default
    BOND = 0.03  # dilution below which a bead is not fused to what is under it, default
    LIGHT_UP = 0.15  # s for which the laser makes a pool before the head moves, default
    GAS_SAMPLE = 2e-2  # share of the gas pores of a lot that are placed one by one, default
    LAYER_TICK = 5.0  # s

    def __init__(self, seed: int = 0, hoppers: int = 2, summary: bool = False) -> None:
        super().__init__(seed, summary)
        head = self.add_head(self)
        self.laser = self.add("Laser", DepositionLaser(self.safety, head.replan))
        self.pool = self.add("Pool", PoolCamera(head.replan))
        self.gas = self.add("Gas", HeadGas(head.replan))
        self.feeder = self.add("Feeder", PowderFeeder(hoppers, self.gas, head.replan))
        self.add_meter()
        self.powder = self.add("Powder", PowderLots("ded-powder"))
        self.melted = self.pores = self.flaws = 0.0
        self._below = _first(hoppers)
        self.assemble()

    # -- what the emulation asks --------------------------------------------------------------

    def load(self, job: DepositionJob | None) -> None:
        """Take a job: its passes, full hoppers, a clean plate."""
        self.take_lots(job)
        self.melted = self.pores = self.flaws = 0.0
        super().load(job)

    def feedstock_needed(self, job: DepositionJob) -> dict[str, float]:
        first, *others = dict.fromkeys(metal.name for metal in job.settings.alloys)
        volume = sum(job.plan.layer(i).area for i in range(job.layers)) * job.step
        return {first: volume * float(job.alloy.density(300.0)), **dict.fromkeys(others, 0.0)}

    def feedstock_used(self) -> dict[str, Use]:
        job = self.job
        if job is None:
            return {}
        self.feeder.account()
        fed: dict[str, float] = {}
        for hopper, metal in zip(self.feeder.hoppers, self._alloys(), strict=True):
            fed[metal.name] = fed.get(metal.name, 0.0) + hopper.fed
        whole, hours = sum(fed.values()), (self.env.now - self.powder.began) / 3600.0
        about = {"name": job.name, "layers": self.layers_done, "defects": round(self.flaws),
                 "complete": self.layers_done >= job.layers,
                 "porosity": self.pores / self.melted if self.melted else 0.0}
        ground = self.head.ground * float(job.alloy.density(300.0))
        kept = max(self.melted - ground, 0.0)
        return {name: Use(min(kept * mass / whole, mass) if whole else 0.0, mass, hours=hours,
                          about=about, ground=min(ground, self.melted) * mass / whole
                          if whole else 0.0) for name, mass in fed.items()}

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path == "Laser.Enable" and not value:
            # Nothing is regulated, so nothing is at a limit.
            self.pool.saturated = False
        return changed

    def _alloys(self) -> list[Alloy]:
        """The alloy in each hopper; what the recipe does not name is the first one."""
        assert self.job is not None
        known: tuple[Alloy, ...] = self.job.settings.alloys
        return [known[min(i, len(known) - 1)] if i < len(known) else known[0]
                for i in range(len(self.feeder.hoppers))]

    # -- the process --------------------------------------------------------------------------

    def prepare(self, job: DepositionJob | None) -> None:
        """Powders and the working point of the pool."""
        self._below = _first(len(self.feeder.hoppers))
        if job is None:
            return
        settings: PowderSettings = job.settings
        power = job.source * DepositionLaser.WINDOW
        self.pool.load(settings.alloys[0], power, job.feed, settings.spot / 4, settings.preheat)
        alloys = self._alloys()
        for hopper, metal in zip(self.feeder.hoppers, alloys, strict=True):
            effect = self.powder.effects(metal.name)
            hopper.load(float(metal.density(300.0)) * metal.powder_packing, effect.density,
                        effect.feed, effect.pulsation,
                        self.powder.mass(metal.name) / alloys.count(metal))

    def approach(self, run: Pass) -> None:
        """A program's own powder demand is set on the way to its pass."""
        assert self.job is not None
        own = run.feedstock
        for hopper in self.feeder.hoppers:
            hopper.program(1.0 if isnan(own) else own / self.job.feedstock)

    def ready_after(self) -> float:
        """The laser makes a pool first; what falls into it meanwhile is left out."""
        return self.LIGHT_UP

    def deposit(self, stretch: Stretch, state: dict[str, float]) -> Deposit:
        """Powder, power and pool along a stretch: catchment, bead, dilution, composition."""
        job, alloys = stretch.job, self._alloys()
        settings: PowderSettings = job.settings
        own = stretch.run.demand
        demand = self.laser.demand(1.0 if isnan(own) else own / job.source)
        assert self.pool.law is not None
        if stretch.first:
            begun, law = self.LIGHT_UP, self.pool.law
            lit = law.steady(demand * (1 - self.laser.power_drift) * self.laser.transmission,
                             stretch.speed[0], stretch.interpass[0])
            width = float(lit) * -expm1(-begun / law.tau)
        else:
            begun, width = state["age"], state["width"]
        ages = begun + stretch.times - stretch.times[0]
        asked, widths, integral = self.pool.march(
            self.laser, demand, stretch.speed, stretch.interpass, stretch.step, width,
            state.get("integral", 0.0), ages[1:], isnan(own))
        metered = self.laser.source(asked)
        power = metered * self.laser.transmission
        mean = mean_width(widths, stretch.step, self.pool.law.tau)
        flows = self.feeder.flows(stretch.middle)
        cone = settings.cone
        if self.feeder.nozzle_wear:
            cone = replace(cone, radius=cone.radius * (1 + self.feeder.nozzle_wear))
        caught = cone.catchment(mean / 2, stretch.stand_off)
        densities = np.array([float(metal.density(300.0)) for metal in alloys])
        flow = flows.sum(axis=1)
        volume = (flows / densities).sum(axis=1)
        density = np.where(volume > 0, flow / np.where(volume > 0, volume, 1.0), densities[0])
        area = bead_area(caught, flow, density, stretch.speed)
        absorbed = self.pool.absorptivity * power
        melted = melted_area(absorbed, stretch.speed, settings.alloys[0], stretch.interpass,
                             self.MELTING)
        mixed = dilution(melted, area)
        fresh = np.where(flow[:, None] > 0, flows / np.where(flow > 0, flow, 1.0)[:, None],
                         self._below)
        bead = (1 - mixed)[:, None] * fresh + mixed[:, None] * self._below
        peak = self.pool.peak(power)
        around = self.enclosure.oxygen
        fields = {
            "power": power, "metered": metered, "mass_flow": flow, "catchment": caught,
            "dilution": mixed, "pool_temperature": peak,
            "correction": asked / demand - 1 if demand > 0 else np.zeros(len(asked)),
            "oxygen": self.gas.oxygen(stretch.middle, stretch.stand_off, around),
            **{f"fraction_{i + 1}": bead[:, i] for i in range(len(alloys))},
        }
        return Deposit(area, mean, absorbed, fields,
                       {"width": widths, "integral": integral, "age": ages})

    def show(self, times: Floats, deposit: Deposit) -> None:
        """Sensors follow a pass."""
        begin, fields = times[:-1], deposit.fields
        step = np.diff(times)
        mean = float((fields["metered"] * step).sum() / max(float(step.sum()), 1e-9))
        self.laser.show(begin, fields["metered"], self.pool.absorptivity, mean)
        self.pool.show(begin, deposit.width, fields["pool_temperature"], fields["correction"],
                       self.laser, deposit.state["age"][1:])
        self.source_heats(mean)

    def rest(self) -> None:
        """The laser is off; the powder goes on."""
        self.laser.dark()
        self.pool.dark()
        self.source_heats(0.0)

    def source_heats(self, power: float) -> None:
        self.chiller.heat(power * (1 / DepositionLaser.WALL_PLUG - 1))
        self.enclosure.warm(laser=power)

    def laid(self, mass: float, deposit: Deposit, step: Floats, way: Floats) -> None:
        """Powder is used up, the window fouls."""
        self.feeder.account()
        self.melted += mass
        self.laser.fouled(float((deposit.fields["power"] * step).sum()))

    def inspect(self, result: LayerResult) -> None:
        """What a finished layer leaves: composition, beads that are not fused."""
        rows = result.passes
        hoppers = len(self.feeder.hoppers)
        weight = np.array(rows.get("volume", []), float)
        if float(weight.sum()) > 0:
            self._below = np.array([
                float(np.average(rows[f"fraction_{i + 1}"], weights=weight))
                for i in range(hoppers)])
        for number, share in enumerate(rows.get("dilution", [])):
            if share < self.BOND:
                result.defects.append((rows["x"][number], rows["y"][number],
                                       rows["width"][number], int(DefectKind.LACK_OF_FUSION),
                                       number))
        self._gas_pores(result, float(weight.sum()))
        self.flaws += len(result.defects)

    def _gas_pores(self, result: LayerResult, volume: float) -> None:
        """Pores by the gas that the powder brings more than the usual: some of them placed."""
        rows, job = result.passes, self.job
        if job is None or volume <= 0.0:
            return
        gas = max(self.powder.effects(job.settings.alloys[0].name).gas, 0.0)
        self.pores += gas * (1.0 - GAS_ESCAPE) * volume * float(job.alloy.density(300.0))
        if gas <= 0.0:
            return
        rng = self.stream("gas pores", result.layer.index)
        count = rng.poisson(self.GAS_SAMPLE * float(gas_pore_density(gas)) * volume)
        chance = np.array(rows["volume"], float) / volume
        for number in rng.choice(len(chance), count, p=chance):
            size = GAS_SIZE * float(np.exp(rng.normal(0.0, LOG_SPREAD)))
            result.defects.append((rows["x"][number], rows["y"][number], size,
                                   int(DefectKind.GAS_PORE), int(number)))

    # -- snapshots ----------------------------------------------------------------------------

    def hidden_state(self) -> dict[str, Any]:
        return {"below": [float(v) for v in self._below], "melted": self.melted,
                "pores": self.pores, "flaws": self.flaws}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._below = np.array(hidden["below"])
        self.melted, self.pores = hidden["melted"], hidden["pores"]
        self.flaws = hidden["flaws"]


def _first(hoppers: int) -> Floats:
    """The plate is of the first hopper's alloy."""
    plate: Floats = np.eye(hoppers)[0]
    return plate



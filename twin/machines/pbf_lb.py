"""Laser powder bed fusion (PBF-LB): the plant."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.chamber import Chamber, GasCircuit
from twin.equipment.consumption import Consumption
from twin.equipment.exposure import BuildJob, ExposureResult, layer_tables
from twin.equipment.fusion_plant import FusionPlant
from twin.equipment.laser import LaserSource
from twin.equipment.live_pool import PoolModels
from twin.equipment.pictures import layer_tomography
from twin.equipment.powder_bed import Platform, Recoater
from twin.equipment.powder_lots import PowderLots
from twin.equipment.scanner import Scanner
from twin.equipment.services import Chiller, SafetyChain
from twin.machine import Equipment
from twin.meltpool.defects import (
    ENTRAINMENT,
    REDEPOSITION,
    evaporation_rate,
)
from twin.signals import image, measured

__all__ = ["LayerMonitor", "PbfLb"]

Floats = npt.NDArray[np.float64]


class LayerMonitor(Equipment):
    """Layer-wise process monitoring: what the on-axis sensors said over the last layer's hatch."""

    layer = measured(int, low=0, high=1_000_000, doc="layer that the figures belong to")
    duration = measured("s", low=0, high=100_000, doc="exposure time of the layer")
    area = measured("mm2", low=0, high=250_000, doc="area of the layer")
    photodiode_mean = measured("mV", low=0, high=10_000, noise=1.0, quantum=0.1,
                               companion="Monitoring/Process/LayerPhotodiodeMean",
                               doc="mean photodiode signal over the hatch")
    photodiode_deviation = measured("mV", low=0, high=10_000, noise=0.5, quantum=0.1,
                                    doc="standard deviation of the photodiode signal over the "
                                        "hatch")
    pyrometer_mean = measured("degC", low=0, high=4000, noise=1.0, quantum=0.1,
                              companion="Monitoring/Process/LayerPyrometerMean",
                              doc="mean pyrometer temperature over the hatch")
    width_mean = measured("um", low=0, high=2000, noise=0.5, quantum=0.1,
                          companion="Monitoring/Process/LayerMeltPoolWidthMean",
                          doc="mean melt-pool width over the hatch")
    tomography = image(doc="optical tomography of the last layer; empty unless the run has "
                           "pictures")


class PbfLb(FusionPlant):
    """A laser powder bed fusion machine with one to twelve lasers."""

    PLATE = (0.28, 0.28)  # m
    HEIGHT = 0.35  # m
    CELLS = Recoater.cells()
    PLUME = (0.02, 0.10)  # share of power lost in the plume at nominal and at no gas flow, default
    GAS_NOMINAL = 20.0  # m/s in the duct
    STANDBY = 800.0  # W of the control cabinet and drives at rest, default
    CARRIED = 0.9  # share of the metal vapour that gas at nominal flow takes to the filter, default
    DEPOSIT = 0.02  # loss of window transmission per kg of fume that is not carried off, default
    ENTRAINED = ENTRAINMENT
    DOWNWIND = 8e-3  # m that spatter is carried along the gas flow (-y), default

    def __init__(self, seed: int = 0, lasers: int = 1, blade: str = "hard",
                 wavelength: float = 1070e-9, models: PoolModels | None = None,
                 pictures: bool = False) -> None:
        super().__init__(seed)
        if not 1 <= lasers <= 12:
            raise ValueError(f"lasers must be 1 to 12, not {lasers}")
        self.safety = self.add("Safety", SafetyChain())
        self.chiller = self.add("Chiller", Chiller(self.safety))
        self.chamber = self.add("Chamber", Chamber(self.safety))
        self.gas = self.add("Gas", GasCircuit())
        self.platform = self.add("Platform", Platform(
            warms=lambda plate: self.chamber.warm(plate=plate)))
        self.bed = self.recoater = self.add("Recoater", Recoater(
            blade, spread=self.chamber.stir, depth=lambda: self.platform.depth))
        self.lasers = [
            self.add(f"Laser{i + 1}", LaserSource(wavelength)) for i in range(lasers)
        ]
        self.marker = self.scanner = self.add("Scanner", Scanner(
            self.lasers, models or PoolModels(), self.platform, self.recoater,
            gas=self._plume, heat=self._heat, exposed=self._solidify, pictures=pictures))
        self.pictures = pictures
        self.monitor = self.add("Layer", LayerMonitor())
        self.powder = self.add("Powder", PowderLots("pbf-lb"))
        self.begin_account()
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))
        self.finished: list[tuple[ExposureResult, np.ndarray[Any, Any]]] = []
        """Layers not yet taken for the record, each with its defects."""
        self.assemble()

    def load(self, job: BuildJob | None) -> None:
        """Take a job: its vectors, its powder, a clean plate.

        `ValueError` if the vectors are shared out among more lasers than the machine has.
        """
        needed = job.plan.describe()["lasers"]["lasers"] if job is not None else 0
        if needed > len(self.lasers):
            raise ValueError(f"job {job.name if job else ''} is for {needed} lasers; the machine "
                             f"has {len(self.lasers)}")
        self.take_lots(job)
        self.begin_account()
        self.scanner.load(job)
        self.platform.clear()
        self.recoater.empty()
        if job is not None:
            self.chamber.air()  # A fresh plate came in through the door.
            for laser in self.lasers:
                laser.power_ratio = 1.0
            self.recoater.layer = job.plan.layer_thickness
            effect = self.powder.effects(job.alloy.name)
            self.recoater.powder_density = job.bulk_density * effect.density
            self.recoater.uneven = effect.uneven
            self.recoater.stock = self.powder.mass(job.alloy.name)
            self.scanner.coupling = effect.absorptivity
            self.recoater.refill()

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path.startswith("Gas."):
            self.scanner.replan()
        if changed and path == "Safety.DoorForced":
            self.chamber.driven("door")
        return changed

    def take_tables(self, vectors: bool) -> list[tuple[str, dict[str, np.ndarray[Any, Any]]]]:
        taken, self.finished = self.finished, []
        return [table for result, defects in taken
                for table in layer_tables(result, defects, vectors)]

    @property
    def quiet(self) -> bool:
        return not (self.scanner.marking or self.scanner.interrupted or self.recoater.moving
                    or self.platform.moving)

    def _plume(self, times: Floats) -> tuple[Floats, Floats]:
        speeds = self.gas.speeds(times)
        least, most = self.PLUME
        # A vacuum lets the plume spread at once.
        blown = 1.0 if self.chamber.vacuum_pump else np.minimum(speeds / self.GAS_NOMINAL, 1.0)
        return speeds, np.broadcast_to(most + (least - most) * blown, times.shape)

    def _heat(self, power: float) -> None:
        self.chiller.heat(power)
        self.chamber.warm(laser=power)

    def _solidify(self, result: ExposureResult) -> None:
        """What a finished layer leaves: solid, heat, curl, fume, defects, monitoring figures."""
        job, layer, rows = self.scanner.job, result.layer, result.rows
        assert job is not None
        self.curl(result, self.platform.part_temperature)
        length = rows.length
        gas_speed = float(result.gas_speed.mean()) if len(length) else 0.0
        carried = self.CARRIED * min(gas_speed / self.GAS_NOMINAL, 1.0)
        vapour = evaporation_rate(result.pool, job.alloy) * (length / result.speed)
        fume = float(vapour.sum())
        self.gas.load(fume * carried)
        for number, laser in enumerate(self.lasers):
            own = float(vapour[rows.beam == number].sum()) * (1 - carried)
            laser.deposit = min(laser.deposit + self.DEPOSIT * own, 0.9)
        solid = self.solid(
            result, length, result.speed, length,
            redeposition=REDEPOSITION * (2 - carried / self.CARRIED),
            drift=(0.0, -self.DOWNWIND * carried))
        mean, monitor = solid.mean, self.monitor
        photodiode = mean(result.photodiode)
        deviation = mean((result.photodiode - photodiode) ** 2) ** 0.5
        monitor.layer = layer.index + 1
        monitor.duration, monitor.area = result.duration, layer.area
        monitor.photodiode_mean, monitor.photodiode_deviation = photodiode, deviation
        monitor.pyrometer_mean = mean(result.pyrometer)
        monitor.width_mean = mean(result.pool.width)
        if self.pictures and len(length):
            monitor.tomography = layer_tomography(
                result, result.back, job.alloy, self.stream("tomography", layer.index))
        for number, laser in enumerate(self.lasers):
            weight = length * (rows.beam == number)
            asked = float((result.demand * weight).sum())
            if asked > 0:
                laser.power_ratio = float((result.metered * weight).sum()) / asked
        self.finished.append((result, solid.defects))
        self.account(solid, solid.volume * float(job.alloy.density(293.15)), fume)
        monitor.log("layer", f"layer {layer.index + 1} solidified", **{
            **solid.figures(float(rows.count.sum())),
            "gas_speed": gas_speed, "oxygen": self.chamber.oxygen,
            "protrusion": self.recoater.protrusion, "fume": fume,
            "photodiode_mean": photodiode, "photodiode_deviation": deviation,
            "pyrometer_mean": monitor.pyrometer_mean, "defects": len(solid.defects)})

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        job = self.scanner.job
        self.scanner.coupling = self.powder.effects(job.alloy.name).absorptivity if job else 1.0

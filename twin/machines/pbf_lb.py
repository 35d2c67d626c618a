"""Laser powder bed fusion (PBF-LB): the plant."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.chamber import Chamber, GasCircuit
from twin.equipment.consumption import Consumption
from twin.equipment.exposure import BuildJob, ExposureResult, layer_tables
from twin.equipment.laser import LaserSource
from twin.equipment.live_pool import PoolModels
from twin.equipment.pictures import layer_tomography
from twin.equipment.powder_bed import Platform, Recoater
from twin.equipment.powder_lots import PowderLots, PowderPlant
from twin.equipment.scanner import Scanner
from twin.equipment.services import Chiller, SafetyChain
from twin.equipment.solidified import solid_height
from twin.machine import Equipment
from twin.meltpool import Mode
from twin.meltpool.defects import (
    ENTRAINMENT,
    GAS_ESCAPE,
    GAS_POROSITY,
    REDEPOSITION,
    DefectKind,
    evaporation_rate,
    expected_defects,
    gas_pore_density,
    porosity_estimate,
    sample_defects,
)
from twin.parts.layers import Role
from twin.powder.ageing import Use
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


class PbfLb(PowderPlant):
    """A laser powder bed fusion machine with one to twelve lasers."""

    PLATE = (0.28, 0.28)  # m
    HEIGHT = 0.35  # m
    CELLS = Recoater.cells()
    PLUME = (0.02, 0.10)  # share of power lost in the plume at nominal and at no gas flow, default
    GAS_NOMINAL = 20.0  # m/s in the duct
    STANDBY = 800.0  # W of the control cabinet and drives at rest, default
    CARRIED = 0.9  # share of the metal vapour that gas at nominal flow takes to the filter, default
    DEPOSIT = 0.02  # loss of window transmission per kg of fume that is not carried off, default
    GAS_SAMPLE = 2e-2  # share of the gas pores of a lot that are placed one by one, default
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
        self.recoater = self.add("Recoater", Recoater(
            blade, spread=self.chamber.stir, depth=lambda: self.platform.depth))
        self.lasers = [
            self.add(f"Laser{i + 1}", LaserSource(wavelength)) for i in range(lasers)
        ]
        self.scanner = self.add("Scanner", Scanner(
            self.lasers, models or PoolModels(), self.platform, self.recoater,
            gas=self._plume, heat=self._heat, exposed=self._solidify, pictures=pictures))
        self.pictures = pictures
        self.monitor = self.add("Layer", LayerMonitor())
        self.powder = self.add("Powder", PowderLots("pbf-lb"))
        self.melted = self.fume = self.pores = self.flaws = 0.0
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
        self.melted = self.fume = self.pores = self.flaws = 0.0
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

    def feedstock_needed(self, job: BuildJob) -> dict[str, float]:
        height = job.layers * job.plan.layer_thickness
        area = self.recoater.BED[0] * self.recoater.BED[1]
        return {job.alloy.name: area * height * job.bulk_density * job.dosing}

    def feedstock_used(self) -> dict[str, Use]:
        job = self.scanner.job
        if job is None:
            return {}
        recoater, hours = self.recoater, (self.env.now - self.powder.began) / 3600.0
        return {job.alloy.name: Use(
            self.melted, max(recoater.spread, self.melted), recoater.dosed - recoater.spread,
            spatter=ENTRAINMENT * self.fume, fume=self.fume, hours=hours, about={
                "name": job.name, "parts": list(job.plan.parts), "layers": self.layers_done,
                "complete": self.layers_done >= job.layers, "defects": round(self.flaws),
                "porosity": self.pores / self.melted if self.melted else 0.0})}

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path.startswith("Gas."):
            self.scanner.replan()
        if changed and path == "Safety.DoorForced":
            self.chamber.driven("door")
        return changed

    @property
    def energised(self) -> bool:
        return bool(self.safety.chain_closed)

    @property
    def layers_done(self) -> int:
        return int(self.scanner.layer_done)

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
        alloy = job.alloy
        warm = min(max(self.platform.part_temperature, 300.0), alloy.solidus - 50.0)
        overhang = layer.overhang_area / layer.area if layer.area > 0 else 0.0
        self.recoater.curl(layer.thickness, overhang, alloy.solidus - warm)
        length = rows.length
        gas_speed = float(result.gas_speed.mean()) if len(length) else 0.0
        carried = self.CARRIED * min(gas_speed / self.GAS_NOMINAL, 1.0)
        # What lies on bare metal is melted once more, but nothing new is fused to it.
        thickness = np.maximum(result.powder, 1e-9)
        self.recoater.melted()
        vapour = evaporation_rate(result.pool, alloy) * (length / result.speed)
        fume = float(vapour.sum())
        self.gas.load(fume * carried)
        for number, laser in enumerate(self.lasers):
            own = float(vapour[rows.beam == number].sum()) * (1 - carried)
            laser.deposit = min(laser.deposit + self.DEPOSIT * own, 0.9)
        effect = self.powder.effects(alloy.name)
        gas = max(effect.gas, -GAS_POROSITY)
        counts = expected_defects(
            result.pool, alloy, vector_length=length, speed=result.speed, sigma=result.sigma,
            hatch_spacing=job.hatch_spacing, layer_thickness=thickness,
            gas_porosity=self.GAS_SAMPLE * max(gas, 0.0),
            redeposition=REDEPOSITION * (2 - carried / self.CARRIED) * effect.spatter,
            preheat=result.interlayer_temperature)
        places = rows.places
        defects = sample_defects(
            self.stream("defects", layer.index), counts.shared(places.row, places.share),
            places.start, places.end, width=result.pool.width[places.row],
            hatch_spacing=job.hatch_spacing, drift=(0.0, -self.DOWNWIND * carried))
        defects["vector"] = places.row[defects["vector"]]
        hatch = (rows.role != Role.CONTOUR) & (rows.role != Role.SUPPORT) & (length > 0)
        if not hatch.any():
            hatch = length > 0
        # The usual powder's gas pores are not counted: a lot's are as far as there are more.
        porosity = np.minimum(
            porosity_estimate(counts, vector_length=np.maximum(length, 1e-9),
                              hatch_spacing=job.hatch_spacing,
                              layer_thickness=layer.thickness)
            + max(gas, 0.0) * (1.0 - GAS_ESCAPE), 1.0)

        def mean(values: Any) -> float:
            if not hatch.any():
                return 0.0
            return float(np.average(values[hatch], weights=length[hatch]))

        pool, monitor = result.pool, self.monitor
        photodiode = mean(result.photodiode)
        deviation = mean((result.photodiode - photodiode) ** 2) ** 0.5
        monitor.layer = layer.index + 1
        monitor.duration, monitor.area = result.duration, layer.area
        monitor.photodiode_mean, monitor.photodiode_deviation = photodiode, deviation
        monitor.pyrometer_mean, monitor.width_mean = mean(result.pyrometer), mean(pool.width)
        if self.pictures and len(length):
            monitor.tomography = layer_tomography(
                result, result.back, alloy, self.stream("tomography", layer.index))
        for number, laser in enumerate(self.lasers):
            weight = length * (rows.beam == number)
            asked = float((result.demand * weight).sum())
            if asked > 0:
                laser.power_ratio = float((result.metered * weight).sum()) / asked
        self.finished.append((result, defects))
        volume = layer.area * solid_height(pool, result.powder, np.where(hatch, length, 0.0),
                                           job.hatch_spacing, layer.thickness)
        self.consumption.built(volume)
        # Gas pores are far too many to place one by one; their number is enough.
        gas_pores = float(gas_pore_density(GAS_POROSITY + gas)) * volume
        mass = volume * float(alloy.density(293.15))
        self.melted += mass
        self.fume += fume
        self.pores += mass * mean(porosity)
        self.flaws += len(defects)
        monitor.log("layer", f"layer {layer.index + 1} solidified", **{
            "layer": layer.index + 1, "z": layer.z, "area": layer.area,
            "overhang_area": layer.overhang_area, "vectors": round(float(rows.count.sum())),
            "scan_length": float(length.sum()), "duration": result.duration,
            "energy_absorbed": result.absorbed, "covered": result.covered,
            "gas_speed": gas_speed, "oxygen": self.chamber.oxygen,
            "interlayer_temperature": result.interlayer_temperature,
            "protrusion": self.recoater.protrusion, "fume": fume,
            "spatter": int((defects["kind"] == DefectKind.SPATTER).sum()),
            "photodiode_mean": photodiode, "photodiode_deviation": deviation,
            "pyrometer_mean": monitor.pyrometer_mean, "width_mean": monitor.width_mean,
            "depth_mean": mean(pool.depth), "length_mean": mean(pool.length),
            "power_mean": mean(result.power),
            "keyhole_share": mean((pool.mode == Mode.KEYHOLE).astype(float)),
            "porosity": mean(porosity), "gas_pores": gas_pores, "defects": len(defects)})

    def hidden_state(self) -> dict[str, Any]:
        return {"melted": self.melted, "fume": self.fume, "pores": self.pores,
                "flaws": self.flaws}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.melted, self.fume = hidden["melted"], hidden["fume"]
        self.pores, self.flaws = hidden["pores"], hidden["flaws"]

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        job = self.scanner.job
        self.scanner.coupling = self.powder.effects(job.alloy.name).absorptivity if job else 1.0

"""A powder bed that beams melt: what a layer leaves is judged and accounted for in one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from twin.equipment.consumption import Consumption
from twin.equipment.deflection import Deflection
from twin.equipment.exposure import BuildJob, ExposureResult
from twin.equipment.powder_bed import Recoater
from twin.equipment.powder_lots import PowderPlant
from twin.equipment.solidified import solid_height
from twin.meltpool import Mode
from twin.meltpool.defects import (
    GAS_ESCAPE,
    GAS_POROSITY,
    DefectKind,
    expected_defects,
    gas_pore_density,
    porosity_estimate,
    sample_defects,
)
from twin.parts.layers import Role
from twin.powder.ageing import Use

__all__ = ["FusionPlant", "Solid"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Solid:
    """A layer that has solidified; arrays have one row per scan vector or group."""

    result: ExposureResult
    hatch: npt.NDArray[np.bool_]
    """Rows that figures of the layer are means of."""
    length: Floats
    """Of the tracks, m."""
    weight: Floats
    """What a row counts in a mean: its length or its time."""
    defects: npt.NDArray[np.void]
    """Those placed one by one; true state."""
    porosity: Floats
    """Share of pores that is left, expected."""
    volume: float
    """Metal added to the part, m3."""
    gas_pores: float
    """Number of gas pores, far too many to place them all."""

    def mean(self, values: Any) -> float:
        """Mean of a row's figure over the hatch; 0 of a layer without vectors."""
        if not self.hatch.any():
            return 0.0
        return float(np.average(values[self.hatch], weights=self.weight[self.hatch]))

    def figures(self, marks: float) -> dict[str, Any]:
        """What every machine tells of a layer; ``marks`` is how many vectors or points it had."""
        result, pool, layer = self.result, self.result.pool, self.result.layer
        return {
            "layer": layer.index + 1, "z": layer.z, "area": layer.area,
            "overhang_area": layer.overhang_area, "vectors": round(marks),
            "scan_length": float(self.length.sum()), "duration": result.duration,
            "energy_absorbed": result.absorbed, "covered": result.covered,
            "interlayer_temperature": result.interlayer_temperature,
            "spatter": int((self.defects["kind"] == DefectKind.SPATTER).sum()),
            "width_mean": self.mean(pool.width), "depth_mean": self.mean(pool.depth),
            "length_mean": self.mean(pool.length), "power_mean": self.mean(result.power),
            "keyhole_share": self.mean((pool.mode == Mode.KEYHOLE).astype(float)),
            "porosity": self.mean(self.porosity), "gas_pores": self.gas_pores}


class FusionPlant(PowderPlant):
    """A powder bed machine whose beams melt layer after layer."""

    GAS_SAMPLE = 2e-2  # share of the gas pores of a lot that are placed one by one, default
    ENTRAINED: ClassVar[float] = 0.0
    """Powder that the vapour carries off as spatter, per mass of vapour."""
    consumption: Consumption
    bed: Recoater
    """What spreads the powder."""
    marker: Deflection
    """What leads the beams over it."""

    def begin_account(self) -> None:
        """Of a job nothing is melted, gone up in fume, or bad yet."""
        self.melted = self.fume = self.pores = self.flaws = 0.0

    def feedstock_needed(self, job: BuildJob) -> dict[str, float]:
        height = job.layers * job.plan.layer_thickness
        area = self.bed.BED[0] * self.bed.BED[1]
        return {job.alloy.name: area * height * job.bulk_density * job.dosing}

    def feedstock_used(self) -> dict[str, Use]:
        job, bed = self.marker.job, self.bed
        if job is None:
            return {}
        return {job.alloy.name: Use(
            self.melted, max(bed.spread, self.melted), bed.dosed - bed.spread,
            spatter=self.ENTRAINED * self.fume, fume=self.fume,
            hours=(self.env.now - self.powder.began) / 3600.0, about={
                "name": job.name, "parts": list(job.plan.parts), "layers": self.layers_done,
                "complete": self.layers_done >= job.layers, "defects": round(self.flaws),
                **self.told_of_job(),
                "porosity": self.pores / self.melted if self.melted else 0.0})}

    def told_of_job(self) -> dict[str, Any]:
        """What else the lot of a finished part is told to have gone through."""
        return {}

    @property
    def layers_done(self) -> int:
        return int(self.marker.layer_done)

    def curl(self, result: ExposureResult, temperature: float) -> None:
        """The layer bends up as it shrinks on a part at a temperature (K)."""
        job, layer = self.marker.job, result.layer
        assert job is not None
        warm = min(max(temperature, 300.0), job.alloy.solidus - 50.0)
        overhang = layer.overhang_area / layer.area if layer.area > 0 else 0.0
        self.bed.curl(layer.thickness, overhang, job.alloy.solidus - warm)
        self.bed.melted()

    def solid(
        self,
        result: ExposureResult,
        length: Floats,
        speed: Floats,
        weight: Floats,
        *,
        redeposition: float,
        apart: float = 0.0,
        drift: tuple[float, float] = (0.0, 0.0),
    ) -> Solid:
        """Judge a layer.

        Of each row: ``length`` (m) of track at a ``speed`` (m/s), its ``weight`` in means.
        ``redeposition``: spatter that lands in the part, per vapour of the usual powder; ``apart``:
        how far (m) tracks lie further apart than the hatch spacing; ``drift`` (m) of spatter.
        """
        job, layer, rows, pool = self.marker.job, result.layer, result.rows, result.pool
        assert job is not None
        effect = self.powder.effects(job.alloy.name)
        gas = max(effect.gas, -GAS_POROSITY)
        counts = expected_defects(
            pool, job.alloy, vector_length=length, speed=speed, sigma=result.sigma,
            hatch_spacing=job.hatch_spacing + apart,
            # What lies on bare metal is melted once more, but nothing new is fused to it.
            layer_thickness=np.maximum(result.powder, 1e-9),
            gas_porosity=self.GAS_SAMPLE * max(gas, 0.0),
            redeposition=redeposition * effect.spatter, preheat=result.interlayer_temperature)
        places = rows.places
        defects = sample_defects(
            self.stream("defects", layer.index), counts.shared(places.row, places.share),
            places.start, places.end, width=pool.width[places.row],
            hatch_spacing=job.hatch_spacing, drift=drift)
        defects["vector"] = places.row[defects["vector"]]
        hatch = (rows.role != Role.CONTOUR) & (rows.role != Role.SUPPORT) & (length > 0)
        if not hatch.any():
            hatch = length > 0
        # The usual powder's gas pores are not counted: a lot's are as far as there are more.
        porosity = np.minimum(
            porosity_estimate(counts, vector_length=np.maximum(length, 1e-9),
                              hatch_spacing=job.hatch_spacing, layer_thickness=layer.thickness)
            + max(gas, 0.0) * (1.0 - GAS_ESCAPE), 1.0)
        volume = layer.area * solid_height(pool, result.powder, np.where(hatch, length, 0.0),
                                           job.hatch_spacing, layer.thickness)
        return Solid(result, hatch, length, weight, defects, porosity, volume,
                     float(gas_pore_density(GAS_POROSITY + gas)) * volume)

    def account(self, solid: Solid, mass: float, fume: float) -> None:
        """A layer of so much metal (kg) is part, so much (kg) went up in fume."""
        self.consumption.built(solid.volume)
        self.melted += mass
        self.fume += fume
        self.pores += mass * solid.mean(solid.porosity)
        self.flaws += len(solid.defects)

    def hidden_state(self) -> dict[str, Any]:
        return {"melted": self.melted, "fume": self.fume, "pores": self.pores,
                "flaws": self.flaws}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.melted, self.fume = hidden["melted"], hidden["fume"]
        self.pores, self.flaws = hidden["pores"], hidden["flaws"]

"""Electron beam powder bed fusion (PBF-EB): the plant."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.consumption import Consumption
from twin.equipment.electron_deflection import ElectronDeflection
from twin.equipment.electron_gun import ElectronGun, HighVoltage
from twin.equipment.electron_imaging import ElectronImaging, Finished
from twin.equipment.exposure import BuildJob, ExposureResult, layer_tables
from twin.equipment.fusion_plant import FusionPlant
from twin.equipment.heated_bed import BeamHeatedStage, Preheater, Rake, adhesion_of
from twin.equipment.live_pool import PoolModels
from twin.equipment.powder_lots import PowderLots
from twin.equipment.services import Chiller, SafetyChain
from twin.equipment.vacuum import VacuumSystem
from twin.machine import Equipment
from twin.parts.layers import Role
from twin.physics.electron_beam import depleted, heat_capped_power, multibeam_rate, vapour_loss
from twin.physics.smoke import Powder
from twin.powder.effects import usual_lot
from twin.signals import measured

__all__ = ["LayerMonitor", "PbfEb"]

Floats = npt.NDArray[np.float64]


class LayerMonitor(Equipment):
    """What the machine knows of the last layer melted."""

    layer = measured(int, low=0, high=1_000_000, doc="layer that the figures belong to")
    duration = measured("s", low=0, high=100_000, doc="melting time of the layer")
    area = measured("mm2", low=0, high=250_000, doc="area of the layer")
    area_energy = measured("J/mm2", low=0, high=100, noise=0.001, quantum=0.001,
                           companion="Monitoring/Process/LayerAreaEnergy",
                           doc="beam energy per melted area of the hatch, from measured current")
    width_mean = measured("um", low=0, high=5000, noise=1, quantum=0.1,
                          companion="Monitoring/Process/LayerMeltPoolWidthMean",
                          doc="mean melt-pool width over the hatch, model value")
    depth_mean = measured("um", low=0, high=5000, noise=1, quantum=0.1,
                          doc="mean melt-pool depth over the hatch, model value")
    aluminium = measured("%", low=0, high=100, quantum=0.001,
                         companion="Monitoring/Process/LayerAluminium",
                         doc="aluminium in the layer by mass after evaporation, model value")


class PbfEb(FusionPlant):
    """An electron beam machine: one or more guns, or guns that split their beam."""

    PLATE = (0.21, 0.21)  # m
    HEIGHT = 0.38  # m
    STANDBY = 1200.0  # W of cabinet, drives and interlocks, default
    MOST_BEAMS = 8
    HEAT_LIMIT = 100.0  # K below the solidus that a part's surface may reach, default
    CONDUCTANCE = 900.0  # W/(m2 K) from a part's surface down into part and bed, default
    SPATTERED = 1e-4  # share of spatter that lands in the part: the bed is sintered, default
    MELTED_AGAIN = 1.0  # s until a beam is back where there is still powder: melt leads, default
    SEAM = 25e-6  # m that two guns are off one another where their tracks meet, default
    ARCS = (0.0, 1.3e-3, 2.9e-3, 4.2e-3)  # s: arc trips as smoke begins, default
    GAS_DELAY = 0.02  # s until the gauges see the gas that the bed sets free, default
    GAS = (0.15, 0.35)  # Pa, from a weak burst to a strong one, default
    HEAP = 60e-6  # m: powder heaps around what was blown away, default
    CELLS = Rake.cells()

    def __init__(self, seed: int = 0, guns: int = 1, splits: int = 1,
                 models: PoolModels | None = None, pictures: bool = False) -> None:
        """`splits`: beams that each gun makes at once by jumping between them."""
        super().__init__(seed)
        if not 1 <= guns * splits <= self.MOST_BEAMS:
            raise ValueError(f"guns x splits must be 1 to {self.MOST_BEAMS}, not {guns * splits}")
        self.safety = self.add("Safety", SafetyChain())
        self.chiller = self.add("Chiller", Chiller(self.safety))
        self.vacuum = self.add("Vacuum", VacuumSystem())
        self.high_voltage = self.add("HighVoltage", HighVoltage(self.safety, self.vacuum))
        self.beams = [
            self.add(f"Beam{i + 1}", ElectronGun(self.high_voltage, 1.0 / splits))
            for i in range(guns * splits)
        ]
        self.high_voltage.feed(self.beams)
        self.stage = self.add("Platform", BeamHeatedStage(lambda: self.vacuum.helium))
        self.stage.air = self._air
        self.bed = self.rake = self.add("Rake", Rake(self._raked, lambda: self.stage.depth))
        self.marker = self.deflection = self.add("Deflection", ElectronDeflection(
            self.beams, models or PoolModels(), self.stage, self.rake,
            gas=lambda times: (np.zeros_like(times), np.zeros_like(times)),
            heat=self.chiller.heat, exposed=self._solidify, pictures=False))
        self.deflection.charged = self._charged
        self.preheater = self.add("Preheat", Preheater(
            self.beams, self.high_voltage, self.stage, self._smoke, self._melting))
        self.imaging = self.add("Imaging", ElectronImaging(pictures))
        self.imaging.bed = BeamHeatedStage.BED
        self.monitor = self.add("Layer", LayerMonitor())
        self.powder = self.add("Powder", PowderLots("pbf-eb"))
        self.begin_account()
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))
        self.splits = splits
        self.smokes = 0
        self._smoking = False
        self._layers_raked = 0
        self._last = 0.0  # when the last layer was melted
        self.assemble()

    # -- job ----------------------------------------------------------------------------------

    def load(self, job: BuildJob | None) -> None:
        """Take a job: its vectors, its powder, a clean plate.

        `ValueError` if the vectors are shared out among more beams than the machine has.
        """
        pattern = job.plan.describe().get("arrangement") if job is not None else None
        needed = pattern["splits"] if pattern else 1
        if needed > len(self.beams):
            raise ValueError(f"job {job.name if job else ''} is for {needed} beams; the machine "
                             f"has {len(self.beams)}")
        self.take_lots(job)
        self.begin_account()
        self.imaging.keep_layer()
        self.deflection.load(job)
        density = 2500.0
        if job is not None:
            density = job.bulk_density * self.powder.effects(job.alloy.name).density
        if job is None:
            self.stage.load(None, density, self.stage.BED[0])
        else:
            self.stage.load(job.alloy, density, job.tank)
        self._follow_lot(job)
        self.rake.empty()
        self.imaging.forget()
        self.imaging.alloy = job.alloy if job is not None else None
        if job is not None:
            self.vacuum.air()  # A fresh plate came in through the door.
            self._last = self.env.now
            self.rake.layer = job.plan.layer_thickness
            self.rake.powder_density = density
            self.rake.uneven = self.powder.effects(job.alloy.name).uneven
            self.rake.stock = self.powder.mass(job.alloy.name)
            self.rake.refill()

    def _follow_lot(self, job: BuildJob | None) -> None:
        """What the lot does to charge; restored with it."""
        if job is not None:
            effect = self.powder.effects(job.alloy.name)
            self.stage.lot_film, self.stage.lot_grip = effect.film, effect.grip
            self.stage.powder = Powder(bulk_density=job.bulk_density * effect.density)

    def told_of_job(self) -> dict[str, Any]:
        return {"smokes": self.smokes}

    def drive(self, path: str, value: Any) -> bool:
        if path == "Safety.DoorForced":
            self.stage.oxidise()  # pressure is about to jump
        changed = super().drive(path, value)
        if changed and path == "Safety.DoorForced":
            self.vacuum.door(open_=self.safety.door_forced)
        if changed and (path.startswith("Vacuum.") or path == "Safety.DoorForced"):
            self.stage.again()
        if changed and path == "Rake.Recoat":
            self.imaging.keep_layer()
        return changed

    def take_tables(self, vectors: bool) -> list[tuple[str, dict[str, np.ndarray[Any, Any]]]]:
        taken, self.imaging.done = self.imaging.done, []
        tables = []
        for finished in taken:
            tables += layer_tables(finished.result, finished.defects, vectors)
            tables += [("indications", table) for table in finished.indications]
        return tables

    @property
    def quiet(self) -> bool:
        return not (self.deflection.marking or self.deflection.interrupted or self.rake.moving
                    or self.stage.moving or self.preheater.busy or self.imaging.busy
                    or self.imaging.open is not None or self._smoking or self.rake.recovering)

    # -- powder and charge --------------------------------------------------------------------

    def _raked(self) -> None:
        self._layers_raked += 1
        rng = self.stream("adhesion", self._layers_raked)
        self.stage.spread(self.rake.laid(), adhesion_of(rng))
        self.imaging.patches = []
        self.imaging.bare = 1.0 - float(self.rake.covered)

    def _air(self) -> float:
        """Pressure (Pa) of what is not helium."""
        return self.vacuum.pressure - self.vacuum.helium

    def _melting(self) -> tuple[float, float, float, float] | None:
        """Current (A), speed (m/s), spot (m) and return time (s) of the melting beams.

        A beam that stands passes its spot in one dwell. The strongest of several beams counts, not
        their sum: they share out the tracks, so that powder at one place meets one of them.
        """
        job = self.deflection.job
        current = max((beam.landed_current for beam in self.beams), default=0.0)
        if not self.deflection.busy or job is None or current <= 0.0:
            return None
        hatch = job.sets.get(int(Role.HATCH))
        spot = 4.0 * job.sigma * (hatch.spot if hatch is not None else 1.0)
        speed = float(self.deflection.scan_speed)
        if hatch is not None and hatch.dwell > 0.0:
            speed = spot / hatch.dwell
        return current, speed, spot, self.MELTED_AGAIN

    def _charged(self) -> None:
        self.preheater.look()
        self.preheater.watch()

    def _smoke(self, index: float) -> None:
        """The bed bursts: all that follows from it, in milliseconds."""
        if self._smoking:
            return
        self._smoking = True
        self.smokes += 1
        rng = self.stream("smoke", self.smokes)
        half = 0.5 * float(self.preheater.edge)
        x, y = rng.uniform(-half, half, 2)
        radius = float(rng.uniform(0.02, 0.035)) * min(index, 4.0) ** 0.25
        self.stage.log("process", "smoke: charged powder flies up", index=index, x=x, y=y,
                       radius=radius)
        self.run(self._avalanche(float(x), float(y), radius, index))

    def _avalanche(
        self, x: float, y: float, radius: float, index: float
    ) -> Generator[Any, Any, None]:
        start = self.env.now
        for delay in self.ARCS:
            yield self.env.at(start + delay)
            if not self.high_voltage.latched:
                self.high_voltage.arc()
        self.rake.blow(x, radius)
        self.rake.protrusion += self.HEAP
        self.imaging.patches = [*self.imaging.patches, (x, y, radius)]
        yield self.env.at(start + self.GAS_DELAY)
        low, high = self.GAS
        self.vacuum.burst(min(low * index, high))
        self._smoking = False

    def _off(self) -> float:
        """How far (m) tracks of two guns may lie apart where they should touch."""
        guns = len(self.beams) // self.splits
        return (self.SEAM + float(self.deflection.drift)) if guns > 1 else 0.0

    # -- what a layer leaves ------------------------------------------------------------------

    def _solidify(self, result: ExposureResult) -> None:
        job, layer, rows = self.deflection.job, result.layer, result.rows
        assert job is not None
        alloy, pool = job.alloy, result.pool
        self.curl(result, float(self.stage.part_temperature))
        dwells = np.array([job.sets[r].dwell if r in job.sets else 0.0 for r in range(len(Role))])
        dwell = dwells[rows.role]
        marked = np.maximum(rows.length / result.speed + rows.count * dwell, 1e-12)
        # A point melts one pitch of what is a track elsewhere.
        points = np.where(dwell > 0, marked / np.where(dwell > 0, dwell, 1.0), 0.0)
        length = np.where(dwell > 0, points * job.hatch_spacing, rows.length)
        marks = float(np.where(dwell > 0, points, rows.count).sum())
        speed = np.maximum(length / marked, 1e-4)
        solid = self.solid(result, length, speed, marked, redeposition=self.SPATTERED,
                           apart=self._off())
        hatch, mean, volume = solid.hatch, solid.mean, solid.volume
        mass = max(volume * float(alloy.density(293.15)), 1e-12)
        lot = self.powder.mixed(alloy.name)
        content = alloy.composition.get("Al", 0.0)
        if lot is not None and content > 0.0:  # Evaporation in earlier uses has taken some.
            content *= lot.fraction("Al") / usual_lot("pbf-eb", alloy.name).fraction("Al")
        # Metal below was depleted when it was melted first: layer for layer no more can leave
        # than each track's share of the layer brings, and all tracks together the layer.
        wide = np.where(hatch, job.hatch_spacing, pool.width)
        brought = float(alloy.density(293.15)) * layer.thickness * length * wide
        lost = vapour_loss(pool, alloy, marked)
        vapour = min(float(depleted(lost.total, brought).sum()), mass)
        loss = min(float(depleted(lost.aluminium, brought * content).sum()) / mass, content)
        energy = float((result.metered * marked)[hatch].sum())
        melted = float(length[hatch].sum()) * job.hatch_spacing
        since, self._last = self._last, self.env.now
        mean_power = result.absorbed / max(self.env.now - since, result.duration, 1e-9)
        cap = float(heat_capped_power(
            layer.area, alloy.solidus - self.HEAT_LIMIT, self.stage.around, alloy.emissivity,
            self.CONDUCTANCE))
        # What all beams would melt if they did nothing but scan the hatch.
        most = multibeam_rate(np.full(len(self.beams), max(float(np.median(speed)), 1e-4)),
                              job.hatch_spacing, layer.thickness, 1.0) if len(speed) else 1.0
        monitor = self.monitor
        monitor.layer, monitor.duration, monitor.area = layer.index + 1, result.duration, layer.area
        monitor.area_energy = energy / melted if melted > 0 else 0.0
        monitor.width_mean, monitor.depth_mean = mean(pool.width), mean(pool.depth)
        monitor.aluminium = max(content - loss, 0.0)
        for number, beam in enumerate(self.beams):
            asked = float((result.demand * marked)[rows.beam == number].sum())
            if asked > 0:
                given = float((result.metered * marked)[rows.beam == number].sum())
                beam.current_ratio = given / asked
        self.rake.built += mass
        self.account(solid, mass, vapour)
        self.imaging.finish(Finished(result, solid.defects, {
            **solid.figures(marks),
            "area_energy": monitor.area_energy, "chamber_pressure": self.vacuum.pressure,
            "helium": self.vacuum.helium, "bed_temperature": self.stage.around,
            "plate_temperature": float(self.stage.temperature),
            "sinter_neck": self.stage.ripen(), "oxide": self.stage.film,
            "protrusion": self.rake.protrusion,
            "peak_mean": mean(pool.peak_temperature),
            "aluminium": monitor.aluminium, "aluminium_loss": loss,
            "vapour": vapour,
            "heat_share": mean_power / max(cap, 1e-9),
            "utilisation": volume / max(result.duration, 1e-9) / most}))

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "smokes": self.smokes, "raked": self._layers_raked,
                "last": self._last}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self.smokes, self._layers_raked = hidden["smokes"], hidden["raked"]
        self._last = hidden["last"]
        self._smoking = False

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        self._follow_lot(self.deflection.job)

"""The PBF-EB plant: bed heat and area, images of the true surface, heat that caps the rate."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.bench import block
from tests.eb_bench import EbBench, eb_program
from twin.equipment.electron_imaging import ElectronImaging, Finished
from twin.equipment.heated_bed import BeamHeatedStage
from twin.machine import Plant
from twin.machines.pbf_eb import PbfEb
from twin.materials import alloy
from twin.meltpool.defects import DEFECTS, DefectKind

METAL = alloy("Ti-6Al-4V")


class Stage(Plant):
    """A bed by itself."""

    def __init__(self, helium: float = 0.4) -> None:
        super().__init__(1)
        self.stage = self.add("Platform", BeamHeatedStage(lambda: helium))
        self.assemble()
        self.stage.load(METAL, 2500.0, 0.25)

    def at(self, seconds: float) -> BeamHeatedStage:
        self.advance(seconds)
        self.stage.sense(seconds)
        return self.stage


def test_a_bare_plate_heats_in_half_an_hour_to_an_hour_and_cools_in_hours() -> None:
    bench = Stage()
    bench.stage.preheated(60e3 * 27e-3 * 0.88)
    warm = next(t for t in range(60, 20_000, 30) if bench.at(t).temperature > 973.0)
    assert 30 * 60 < warm < 60 * 60
    bench.stage.preheated(0.0)
    cold = next(t for t in range(warm, 200_000, 120) if bench.at(t).temperature < 373.0)
    assert 4 * 3600 < cold - warm < 12 * 3600


@pytest.mark.parametrize(("path", "value"), [("Platform.ShieldDamage", 4.0)])
def test_heat_shields_matter(path: str, value: float) -> None:
    def left(damaged: bool) -> float:
        bench = Stage()
        bench.stage.settle("surface_temperature", 1003.0)
        bench.stage.settle("temperature", 990.0)
        if damaged:
            bench.drive(path, value)
        bench.stage.again()
        return float(bench.at(600.0).surface_temperature)

    assert left(True) < left(False) - 30.0


def test_helium_cools() -> None:
    def left(helium: float) -> float:
        bench = Stage(helium)
        bench.stage.settle("surface_temperature", 900.0)
        bench.stage.settle("temperature", 900.0)
        bench.stage.again()
        return float(bench.at(3600.0).temperature)

    assert left(20.0) < left(0.0) - 20.0


def test_fresh_powder_is_cold_and_loose_and_ripens() -> None:
    bench = Stage()
    stage = bench.stage
    stage.settle("surface_temperature", 1003.0)
    stage.settle("temperature", 1003.0)
    stage.spread(8e-3, 1.0)
    assert 1003.0 - stage.surface_temperature == pytest.approx(8e-3 * 700 / 800 * 603, rel=0.02)
    assert stage.neck == 0.0
    fresh = stage.charge_index(20e-3, 15.0, 4e-3, 0.67)
    bench.at(20.0)
    assert stage.ripen() > 0.08
    assert stage.charge_index(20e-3, 15.0, 4e-3, 0.67) < 0.1 * fresh
    # A smaller square has the beam back sooner.
    stage.spread(8e-3, 1.0)
    assert stage.charge_index(20e-3, 15.0, 4e-3, 0.02) > stage.charge_index(
        20e-3, 15.0, 4e-3, 0.67)


def test_air_on_a_hot_bed_grows_its_oxide() -> None:
    def film(temperature: float, looks: int) -> float:
        bench = Stage()
        stage = bench.stage
        stage.air = lambda: 1.0
        stage.settle("surface_temperature", temperature)
        stage.settle("temperature", temperature)
        stage.again()
        for look in range(1, looks + 1):
            bench.at(60.0 * look / looks)
            stage.oxidise()
        return float(stage.film)

    assert film(1000.0, 1) == pytest.approx(1.0 + BeamHeatedStage.OXIDATION * 60.0)
    assert film(1000.0, 80) == pytest.approx(film(1000.0, 1)), "however often it is looked at"
    assert film(500.0, 1) == 1.0


# -- electron image -------------------------------------------------------------------------------


def melted() -> EbBench:
    """One layer melted, not imaged yet."""
    built = eb_program([block((12e-3, 8e-3, 5e-5))])
    bench = EbBench(built).start().to("image", 0)
    assert bench.plant.imaging.open is not None
    return bench


def seeded(imaging: ElectronImaging, sizes: np.ndarray[object, np.dtype[np.float64]]) -> Finished:
    """The open layer with defects of known sizes, spread over it."""
    open_ = imaging.open
    assert open_ is not None
    defects = np.zeros(len(sizes), DEFECTS)
    defects["kind"], defects["size_m"] = int(DefectKind.LACK_OF_FUSION), sizes
    side = int(np.ceil(np.sqrt(len(sizes))))
    defects["x"] = (np.arange(len(sizes)) % side / side - 0.5) * 10e-3
    defects["y"] = (np.arange(len(sizes)) // side / side - 0.5) * 6e-3
    imaging.open = replace(open_, defects=defects)
    return imaging.open


@pytest.mark.parametrize("size", [50e-6, 200e-6, 400e-6])
def test_verification_defects_are_found_with_their_probability(size: float) -> None:
    bench = melted()
    imaging = bench.plant.imaging
    open_ = seeded(imaging, np.full(900, size))
    imaging._image()
    chance = float(imaging.device.detection(size))
    assert len(open_.newest) == pytest.approx(900 * chance, abs=4 * np.sqrt(900 * 0.25) + 3)


def test_false_calls_come_on_sound_metal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = melted()
    imaging = bench.plant.imaging
    monkeypatch.setattr(ElectronImaging, "FALSE_CALLS", 2e4)
    counts = []
    open_ = seeded(imaging, np.zeros(0))
    for _ in range(400):  # each image has a stream of its own
        imaging._image()
        counts.append(len(open_.newest))
    expected = 2e4 * 12e-3 * 8e-3
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected / 400))


def test_the_picture_shows_metal_powder_and_a_hole() -> None:
    bench = melted()
    imaging = bench.plant.imaging
    imaging.pictures = True
    open_ = seeded(imaging, np.array([1.2e-3]))
    open_.defects["x"], open_.defects["y"] = 1e-3, 1e-3
    imaging._image()
    grey = np.asarray(Image.open(BytesIO(imaging.electron_image))).astype(float)
    rows, columns = grey.shape
    pixel = imaging.device.pixel
    assert (columns * pixel, rows * pixel) == pytest.approx((16e-3, 12e-3), abs=1e-3)
    metal = grey[int(0.30 * rows) : int(0.34 * rows), int(0.3 * columns) : int(0.4 * columns)]
    powder = grey[:10, :]
    assert metal.mean() > 1.1 * powder.mean()
    # The rim of the hole: steep walls are bright, whatever the grain.
    y, x = rows // 2 - int(1e-3 / pixel), columns // 2 + int(1e-3 / pixel)
    near = grey[y - 9 : y + 9, x - 9 : x + 9]
    assert near.max() > metal.mean() + 3 * metal.std()


def test_melting_places_again_closes_most_and_takes_its_time() -> None:
    bench = melted()
    imaging = bench.plant.imaging
    bench.plant.advance(bench.plant.env.now + ElectronImaging.DURATION + 0.1)
    open_ = seeded(imaging, np.full(100, 400e-6))
    imaging._image()
    places = len(open_.newest)
    began = bench.plant.env.now
    bench.plant.drive("Imaging.Remelt", True)
    assert imaging.busy
    bench.plant.advance(began + ElectronImaging.REMELT * places + 0.01)
    assert not imaging.busy
    assert len(open_.defects) == pytest.approx(
        100 - ElectronImaging.HEALED * places, abs=4 * np.sqrt(100 * 0.13))


def test_a_patch_without_powder_is_dark() -> None:
    bench = melted()
    imaging = bench.plant.imaging
    imaging.patches = [(0.0, 0.0, 0.03)]
    imaging._image()
    assert imaging.dark_share == pytest.approx(np.pi * 0.03**2 / 0.0625)
    assert imaging.brightness < 1.0


# -- limits ---------------------------------------------------------------------------------------


def test_the_next_layer_waits_for_a_part_that_is_too_hot() -> None:
    def pause(colder: float | None) -> float:
        bench = EbBench(eb_program(
            [block((20e-3, 20e-3, 1e-4))], imaging__enabled=False)).start().to("lower", 0)
        if colder is not None:
            bench.write("Process.PartLimit", bench.read("Platform.PartTemperature") - colder)
        began = bench.time
        return bench.to("rake", 1).time - began

    assert pause(4.0) > pause(None) + 0.5


def test_too_many_beams_are_refused() -> None:
    with pytest.raises(ValueError, match="guns x splits"):
        PbfEb(guns=5, splits=2)
    with pytest.raises(ValueError, match="beams"):
        PbfEb(guns=1).load(eb_program([block((8e-3, 8e-3, 5e-5))], guns=2).job)

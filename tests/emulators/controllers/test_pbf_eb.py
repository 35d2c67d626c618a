"""Sequence of a PBF-EB machine: phases, exposure modes, beams, images, end of the job."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.controllers.pbf_eb_signals import LAYER_PHASES, PHASES
from emulators.controllers.states import MachineState
from emulators.machines.pbf_eb import forecast
from emulators.recipes import recipe_for
from tests.bench import block
from tests.eb_bench import EbBench, eb_program
from twin.meltpool import Mode
from twin.signals import Refused

SMALL = block((8e-3, 8e-3, 2e-4))


@pytest.fixture(scope="module")
def finished() -> EbBench:
    """A job of four layers, from start to end."""
    return EbBench(eb_program([SMALL])).start().finish()


def phases(bench: EbBench) -> list[str]:
    return [e.message.removeprefix("phase ") for e in bench.events
            if e.kind == "process" and e.message.startswith("phase ")]


def test_phases_in_order(finished: EbBench) -> None:
    seen = phases(finished)
    begin = ["load", "close", "pump down", "helium", "plate heat"]
    assert seen[: len(begin)] == begin
    layer = ["rake", "settle", "preheat 1", "preheat 2", "melt", "image"]
    assert seen[len(begin) : len(begin) + len(layer)] == layer
    assert seen[-6:] == ["cool", "vent", "break out", "recover powder", "unload", "none"]
    assert seen.count("melt") == 4
    assert set(seen) <= set(PHASES)
    assert set(LAYER_PHASES) < set(PHASES)


def test_what_each_layer_leaves_in_the_record(finished: EbBench) -> None:
    layers = finished.layers()
    assert [layer["layer"] for layer in layers] == [1, 2, 3, 4]
    for layer in layers:
        assert layer["area"] == pytest.approx(64e-6, rel=0.02)
        assert layer["area_energy"] == pytest.approx(2.0e6, rel=0.01)
        assert layer["covered"] == 1.0
        assert 950.0 < layer["bed_temperature"] < 1060.0
        assert 0.0005 < layer["aluminium_loss"] < 0.01
        assert layer["aluminium"] + layer["aluminium_loss"] == pytest.approx(0.06)
        assert layer["porosity"] < 1e-3


def test_consumption_and_powder(finished: EbBench) -> None:
    plant = finished.plant
    built = 64e-6 * 2e-4
    assert plant.consumption.built_volume == pytest.approx(built, rel=0.02)
    raked = 0.25 * 0.25 * 2e-4 * plant.rake.powder_density * 1.5
    assert plant.consumption.feedstock == pytest.approx(raked, rel=0.02)
    plant.consumption.sense(finished.time)
    assert plant.consumption.energy > 1e6
    # Venting takes 150 to 200 L of helium (data sheet of a 3 kW machine), building little.
    assert 0.15 < plant.consumption.gas < 0.26
    # Powder recovery brings back nearly all that is not in the part.
    lost = plant.rake.CAPACITY * (1.0 - plant.rake.powder_level)
    metal = built * 4420.0
    assert metal < lost < metal + 0.1 * raked


def test_the_door_opens_only_after_venting(finished: EbBench) -> None:
    assert finished.plant.vacuum.vented
    assert not finished.plant.high_voltage.enable


def test_plate_heat_ends_at_the_thermocouple_and_takes_its_time() -> None:
    bench = EbBench(eb_program([SMALL], preheat__tank=0.25, preheat__edge=0.2,
                               preheat__plate_current=27e-3)).start().to("plate heat")
    began = bench.time
    bench.to("rake")
    assert bench.read("Platform.Temperature") == pytest.approx(700.0, abs=2.0)
    assert 30 * 60 < bench.time - began < 60 * 60


def test_a_full_sized_bed_takes_hours_to_cool() -> None:
    bench = EbBench(eb_program([block((8e-3, 8e-3, 5e-5))], preheat__tank=0.25,
                               preheat__edge=0.2, preheat__current_1=20e-3,
                               preheat__current_2=32e-3, temperature__unpack=373.15)).start()
    bench.to("cool", limit=30_000.0)
    began = bench.time
    bench.to("vent", limit=100_000.0)
    assert 4 * 3600 < bench.time - began < 12 * 3600


@pytest.mark.parametrize(
    ("mode", "current", "vectors"),
    [("spots", 11e-3, 8e-3 * 8e-3 / (3e-4) ** 2), ("tiles", 50e-3, 16)],
)
def test_points_and_tiles_melt_the_whole_section(
    mode: str, current: float, vectors: float
) -> None:
    bench = EbBench(eb_program(
        [SMALL], exposure__mode=mode, hatch__current=current, hatch__spot_d4sigma=350e-6,
        layer_thickness=70e-6)).start().to("rake", 2)
    layer = bench.layers()[1]
    # Contours come on top.
    assert layer["vectors"] == pytest.approx(vectors, rel=0.6)
    assert layer["porosity"] < 0.01
    assert layer["depth_mean"] > 70e-6
    assert layer["area_energy"] == pytest.approx(
        60e3 * current * (515e-6 / (3e-4) ** 2 if mode == "spots" else 5e-3 / 4e-6), rel=0.02)


@pytest.mark.parametrize(("guns", "splits", "faster"), [(3, 1, 3.0), (1, 3, 3.0)])
def test_more_beams_take_less_time(guns: int, splits: int, faster: float) -> None:
    def melting(guns: int, splits: int) -> float:
        # A gun that splits its beam shares its current out.
        built = eb_program([block((20e-3, 20e-3, 1e-4))], guns=guns, exposure__splits=splits,
                           hatch__current=15e-3 * splits)
        bench = EbBench(built, guns=guns).start().to("rake", 1)
        layer = bench.layers()[0]
        assert layer["porosity"] < 0.02
        return float(layer["duration"])

    assert melting(1, 1) / melting(guns, splits) == pytest.approx(faster, rel=0.05)


def test_titanium_aluminide_loses_more_aluminium() -> None:
    """Verification of the order: 1 to 3 % of mass at 1.94 J/mm2, Ti-6Al-4V some tenths."""
    bench = EbBench(eb_program([block((8e-3, 8e-3, 1.8e-4))], "TiAl")).start().to("rake", 1, 30_000)
    layer = bench.layers()[0]
    assert layer["area_energy"] == pytest.approx(1.94e6, rel=0.01)
    assert 0.005 < layer["aluminium_loss"] < 0.035


def test_indications_are_melted_again_twice_and_then_flagged() -> None:
    bench = EbBench(eb_program([block((20e-3, 20e-3, 2e-4))])).start().to("rake", 1)
    bench.fault("Beam1.CalibrationLoss", 20.0)
    bench.to("rake", 3, 500.0)
    layer = bench.layers()[2]
    assert layer["remelts"] == 2
    assert layer["images"] == 3
    assert phases(bench).count("remelt") >= 4
    assert bench.read("Machine.FlaggedLayers") >= 1
    assert "LayerFlagged" in bench.raised()
    bench.to("remelt", 3, 500.0)
    open_layer = bench.plant.imaging.open
    assert open_layer is not None
    table = open_layer.indications[0]
    assert set(table) == {"layer", "image", "x", "y", "size"}, "never the truth"
    assert set(table["image"]) == {1}


def test_melting_again_closes_most_of_what_is_found() -> None:
    def found(remelts: int) -> list[int]:
        bench = EbBench(eb_program(
            [block((20e-3, 20e-3, 3e-4))], imaging__remelts=remelts)).start().to("rake", 1)
        bench.fault("Beam1.CalibrationLoss", 20.0)
        bench.to("cool", limit=3000.0)
        return [layer["indications"] for layer in bench.layers()[1:]]

    assert sum(found(2)) < 0.6 * sum(found(0))


def test_pause_amid_melting_and_go_on() -> None:
    bench = EbBench(eb_program([block((30e-3, 30e-3, 1e-4))])).start().to("melt", 0)
    bench.rest(0.3)
    bench.job("Pause")
    assert bench.state is MachineState.HELD
    bench.rest(30.0)
    bench.job("Resume")
    bench.finish()
    assert [layer["layer"] for layer in bench.layers()] == [1, 2]
    duration = [layer["duration"] for layer in bench.layers()]
    assert duration[0] == pytest.approx(duration[1], rel=0.05)


def test_while_cooling_the_job_cannot_be_held() -> None:
    bench = EbBench(eb_program([block((8e-3, 8e-3, 5e-5))])).start().to("cool")
    with pytest.raises(Refused):
        bench.job("Pause")


def test_every_scan_or_only_the_needed_ones_are_the_same_run() -> None:
    def end(every_scan: bool) -> tuple[str, float]:
        bench = EbBench(eb_program([block((8e-3, 8e-3, 1e-4))], preheat__tank=0.06,
                                   preheat__edge=0.05), every_scan=every_scan).start()
        bench.to("rake", 1)
        bench.fault("Platform.OxidisedPowder", 6.0)
        bench.rest(5.0)
        return bench.emulator.trace.hexdigest, bench.time

    assert end(False) == end(True)


def test_a_post_heat_follows_melting_if_asked_for() -> None:
    bench = EbBench(eb_program([SMALL], preheat__post_time=2.0)).start()
    bench.to("post heat")
    bench.rest(1.0)
    assert bench.read("Preheat.Busy")
    bench.to("image")
    assert not bench.plant.preheater.busy


def test_the_pools_are_conduction_pools_of_a_wide_beam() -> None:
    bench = EbBench(eb_program([SMALL])).start().to("image", 0)
    layer = bench.plant.imaging.open
    assert layer is not None
    pool = layer.result.pool
    hatch = layer.result.rows.role == 0
    assert np.median(pool.width[hatch]) == pytest.approx(480e-6, rel=0.1)
    assert not np.any(pool.mode[hatch] == Mode.NONE)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "hatch: 2.00 J/mm²"),
        ({"exposure.mode": "spots", "hatch.current": 11e-3}, "points: 3.78 J/mm²"),
        ({"exposure.mode": "tiles", "hatch.current": 50e-3}, "tiles of 2 mm"),
    ],
    ids=["lines", "spots", "tiles"],
)
def test_a_recipe_is_judged_before_it_is_built(changes: dict[str, object], said: str) -> None:
    (note,) = forecast(recipe_for("Ti-6Al-4V", "pbf-eb").changed(changes))
    assert note.startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperature__unpack": 298.15}, "temperature.unpack: 25 degC"),
        ({"temperature__part_limit": 973.15}, "temperature.part_limit: 700 degC"),
    ],
    ids=["colder than the walls", "below the bed"],
)
def test_a_recipe_that_never_ends_is_refused(changes: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EbBench(eb_program([SMALL], **changes))


def test_writing_a_setpoint_often_does_not_oxidise_the_bed() -> None:
    def film(writes: bool) -> float:
        bench = EbBench(eb_program([SMALL])).start().to("rake", 1)
        bench.fault("Vacuum.Leak", 5.0)  # its pressure is there when preheating begins
        bench.to("preheat 1", 1)
        stage, since, count = bench.plant.stage, bench.time, 0
        stage.oxidise()
        begun, end = stage.film, since + 4.0
        with bench.closely():
            while bench.time < end and count < 80:
                if writes:
                    bench.write("Process.Preheat1Current", 4.0 + 0.01 * (count % 2))
                    count += 1
                else:
                    bench.step()
            while bench.time < end:
                bench.step()
        stage.oxidise()
        return float(stage.film - begun) / (bench.time - since)

    assert film(True) == pytest.approx(film(False), rel=0.05)


def test_an_open_door_lets_air_in_and_keeps_it_there() -> None:
    bench = EbBench(eb_program([SMALL])).start().to("melt", 1)
    bench.fault("Safety.DoorForced", True)
    bench.rest(60.0)
    plant = bench.plant
    plant.stage.oxidise()
    film = plant.stage.film
    bench.rest(60.0)
    assert bench.read("Vacuum.ChamberPressure") == pytest.approx(1013.0, rel=0.1)
    assert plant.vacuum.helium == 0.0
    plant.stage.oxidise()
    expected = plant.stage.OXIDATION * 101_325.0 * 60.0
    assert plant.stage.film - film == pytest.approx(expected, rel=0.01)
    bench.fault("Safety.DoorForced", False)
    bench.rest(600.0)
    assert plant.vacuum.pressure < 0.5 * 101_325.0, "the pumps, still on, take over again"


def test_without_helium_venting_waits_and_is_told_and_a_new_bottle_ends_the_job() -> None:
    bench = EbBench(eb_program([block((8e-3, 8e-3, 5e-5))])).start().to("cool")
    bench.fault("Vacuum.HeliumFailure", True)
    bench.to("vent", 0, 100_000.0)
    assert "VentSlow" not in bench.raised()
    bench.rest(700.0)
    assert bench.controller.phase == "vent"
    assert "VentSlow" in bench.raised()
    with pytest.raises(Refused):
        bench.call("Service.CalibrateBeam")
    bench.call("Service.ChangeHelium")
    bench.finish()


@pytest.mark.parametrize("phase", ["cool", "vent", "break out", "recover powder"])
def test_power_lost_while_completing_and_the_job_still_ends(phase: str) -> None:
    bench = EbBench(eb_program([block((8e-3, 8e-3, 5e-5))])).start().to(phase, 0, 100_000.0)
    bench.rest(5.0)
    bench.fault("Safety.PowerLoss", True)
    bench.to_state(MachineState.SUSPENDED, 10.0)
    bench.rest(60.0)
    bench.fault("Safety.PowerLoss", False)
    bench.rest(1.0)
    bench.job("Resume")
    bench.finish()
    assert bench.plant.vacuum.vented


def test_the_next_job_waits_for_a_hot_evacuated_chamber() -> None:
    bench = EbBench(eb_program([SMALL])).start().to("melt", 1)
    bench.job("Abort")
    bench.rest(2.0)
    bench.call("Machine.Clear")
    bench.rest(2.0)
    hot, pressure = bench.read("Platform.SurfaceTemperature"), bench.plant.vacuum.pressure
    bench.call("Job.StoreAndStart", "J2", bench.name)
    bench.rest(2.0)
    assert bench.state is MachineState.IDLE
    assert bench.read("Platform.SurfaceTemperature") > hot - 30.0
    assert bench.plant.vacuum.pressure < pressure + 100.0
    bench.to("pump down", 0, 100_000.0)


def test_a_pulse_of_seconds_is_told_and_boils_off_no_more_than_there_is() -> None:
    changes = {"exposure.mode": "tiles", "hatch.current": 50e-3, "exposure.tile_pulse": 5.0}
    *_, note = forecast(recipe_for("Ti-6Al-4V", "pbf-eb").changed(changes))
    assert "times what melts a layer" in note
    bench = EbBench(eb_program([block((6e-3, 6e-3, 5e-5))], exposure__mode="tiles",
                               hatch__current=50e-3, exposure__tile_pulse=5.0)).start()
    bench.finish()
    layer = bench.layers()[0]
    assert 0.03 < layer["aluminium_loss"] <= 0.06
    assert layer["aluminium"] >= 0.0
    assert layer["vapour"] <= 36e-6 * 5e-5 * 4600.0


@pytest.mark.parametrize(
    ("mode", "time", "spot"),
    [("lines", 500e-6 / 4.5, 500e-6), ("spots", 515e-6, 500e-6),
     ("tiles", 5e-3, 4 * 2e-3 / np.sqrt(2 * np.pi))],
)
def test_how_long_a_melting_beam_charges_a_place(mode: str, time: float, spot: float) -> None:
    bench = EbBench(eb_program([block((20e-3, 20e-3, 5e-5))], exposure__mode=mode)).start()
    seen: list[tuple[float, float, float, float]] = []
    charge = bench.plant.stage.charge_index

    def spy(current: float, speed: float, diameter: float, back: float) -> float:
        if bench.plant.deflection.busy:
            seen.append((current, speed, diameter, back))
        return charge(current, speed, diameter, back)

    bench.plant.stage.charge_index = spy  # type: ignore[method-assign]
    bench.to("image")
    _, speed, diameter, _ = seen[-1]
    assert diameter == pytest.approx(spot)
    assert diameter / speed == pytest.approx(time)

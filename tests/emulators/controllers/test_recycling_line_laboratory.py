"""What the laboratory of the recycling line decides when it is right, near a limit, and wrong."""

from __future__ import annotations

import pytest

from tests.recycling_bench import RecyclingBench, finished, out, program


def test_a_biased_reading_releases_powder_that_is_out_of_its_limit() -> None:
    bench = RecyclingBench(program(stock__oxygen=2100e-6, stock__coarse=0.0, blending__use=False)
                           ).start()
    bench.sensor_fault("Laboratory.Oxygen", "bias", -300.0)
    bench.finish()
    assert bench.read("Batch.Decision") == "released"
    assert out(bench).oxygen > 2000e-6
    honest = finished(stock__oxygen=2100e-6, stock__coarse=0.0, blending__use=False)
    assert honest.read("Batch.Decision") == "hold"


@pytest.mark.parametrize(("fault", "magnitude", "word"), [
    ("Laboratory.OxygenError", 900.0, "oxygen"), ("Laboratory.PsdError", 60.0, "d90"),
    ("Laboratory.MoistureError", 400.0, "moisture")])
def test_an_instrument_out_of_calibration_holds_good_powder(
    fault: str, magnitude: float, word: str
) -> None:
    bench = RecyclingBench(program(stock__oxygen=1300e-6, blending__use=False)).start()
    bench.fault(fault, magnitude)
    bench.finish()
    assert bench.read("Batch.Decision") == "hold"
    assert word in bench.read("Batch.Reason")
    bench.call("Service.CalibrateLaboratory")


def test_near_the_limit_the_guard_holds_what_may_be_good() -> None:
    bench = finished(stock__oxygen=1985e-6, stock__coarse=0.0, blending__use=False)
    assert out(bench).oxygen < 2000e-6
    assert bench.read("Batch.Decision") == "hold"
    assert "oxygen" in bench.read("Batch.Reason")

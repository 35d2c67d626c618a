"""Wire machines: what leaves the spool is laid, spattered or fed before a pass begins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire_bench import WireBench, wire_job

SPATTER = {"ded-wire-laser": 0.0, "ded-arc": 0.02}


def _weighed(machine: str, **changes: Any) -> tuple[WireBench, float, float]:
    """A finished build, kg that the spool has lost, kg of wire that is in the part."""
    bench = WireBench(machine, wire_job(machine, layers=4, **changes))
    bench.start().finish()
    bench.rest(5)
    feeder, head = bench.plant.feeder, bench.plant.head
    density = float(head.job.alloy.density(300.0))
    laid = sum(layer["volume"] for layer in bench.layers()) * density / (1 - SPATTER[machine])
    return bench, feeder.SPOOL - feeder.spool_mass, laid


@pytest.mark.parametrize("machine", SPATTER)
@pytest.mark.parametrize("authority", [0.3, 0.02])
def test_verification_what_the_scanner_trims_off_stays_on_the_spool(
        machine: str, authority: float) -> None:
    trimmed, gone, laid = _weighed(machine, wire__height_authority=authority,
                                   motion__stand_off=15e-3)
    full, gone_full, laid_full = _weighed(machine, wire__height_control=False)
    assert any(abs(layer["trim"] - 1) > 0.01 for layer in trimmed.layers())
    assert all(layer["trim"] == 1 for layer in full.layers())
    passes = [sum(layer["passes"] for layer in bench.layers()) for bench in (trimmed, full)]
    assert passes[0] == passes[1]
    assert gone_full - gone == pytest.approx(laid_full - laid, rel=0.05, abs=0.02e-3)


def test_verification_the_spool_loses_what_is_laid_and_fed_before_the_passes() -> None:
    bench, gone, laid = _weighed("ded-wire-laser")
    process, plant = bench.controller.process, bench.plant
    before = plant.bead.WIRE_IN * process.wire_feed * plant.feeder.mass_per_length
    count = sum(layer["passes"] for layer in bench.layers())
    assert gone == pytest.approx(laid + count * before, rel=0.01)

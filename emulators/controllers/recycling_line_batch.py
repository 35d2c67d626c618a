"""What the recycling line's program computes: virgin powder, the decision, what readings say."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from emulators.controllers.recycling_line_signals import Process
from twin.equipment.powder_laboratory import NO_FLOW, TESTS, properties, sigma
from twin.physics.reuse import steady_virgin_share, virgin_share
from twin.powder.laboratory import GUARD, Limit, decide, specification
from twin.powder.lot import Constituent, PowderLot
from twin.powder.sizes import BINS

__all__ = ["MOST", "compared", "judge", "virgin_needed"]

MOST = 0.8
"""Virgin share beyond which a blend is no longer recycling."""

_UNTOUCHED = ("hollow",)
"""What working-up does not change: unless it is measured, the powder's certificate stands."""


def virgin_needed(process: Process, measured: float) -> tuple[float, float]:
    """Virgin share for powder with so much oxygen as ``measured``, and the rule for ever.

    So much that the blend, measured again, surely keeps its limit, and at least what keeps it
    there use after use once the powder will have come near it.
    """
    limit, fresh = process.powder_limit, process.virgin_oxygen
    rule = steady_virgin_share(process.gain, limit, fresh) if limit > fresh else 1.0
    error = sigma("oxygen", measured)
    target = limit - 2.0 * GUARD * error
    needed = virgin_share(measured + GUARD * error, fresh, target)
    near = rule if measured + process.gain + GUARD * error > target else 0.0
    share = max(needed if needed < inf else 0.0, near, process.least_virgin)
    return min(share, MOST), rule


def judge(laboratory: Any, process: Process, alloy: str, use: str, suspect: bool,
          repeats: int) -> tuple[str, str]:
    """Released, hold or scrap, and why: readings against the specification with their guard."""
    rule = specification(use, alloy)
    known_now = properties(tuple(TESTS)[process.tests])
    limits = {name: limit for name, limit in rule.limits.items()
              if name not in _UNTOUCHED or name in known_now}
    limits["oversize"] = Limit(high=max(process.oversize_limit, 1e-6), remedy="sieve")
    if "oxygen" in limits:
        known = limits["oxygen"]
        limits["oxygen"] = replace(
            known, high=max(process.powder_limit, 1e-9),
            scrap=max(known.scrap, 1.001 * process.powder_limit))
    values = {name: float(getattr(laboratory, name)) for name in limits if name in known_now}
    errors = {name: sigma(name, value, repeats if name == "oxygen" else 1)
              for name, value in values.items()}
    if values.get("hall", 0.0) >= NO_FLOW:
        errors["hall"] = 0.0
    seen = PowderLot("sample", (Constituent(alloy, np.zeros(BINS), {}),), measured=values,
                     sigma=errors)
    found = decide(seen, replace(rule, limits=limits))
    status, reasons = str(found.status), list(found.reasons)
    if suspect and status == "released" and not process.retest_releases:
        oxygen = 1e6 * values.get("oxygen", 0.0)
        status = "hold"
        reasons.append(f"bad gas on the way; oxygen measured again: {oxygen:.0f} ppm")
    remedies = f" (remedy: {', '.join(found.remedies)})" if found.remedies else ""
    return status, "; ".join(reasons) + remedies


def compared(io: Any, process: Process, phase: str, runs: bool) -> dict[str, bool]:
    """Conditions of alarms that compare readings with one another or with what is asked for."""
    gas, sieve, sorter = io.line, io.sieve, io.separator
    return {
        "oxygen_high": bool(max(gas.oxygen_a, gas.oxygen_b) > 0.5 * process.oxygen_trip),
        "analysers_disagree": bool(
            abs(gas.oxygen_a - gas.oxygen_b) > process.disagree_limit),
        "conveying_slow": runs and phase == "recover" and bool(
            io.conveyor.run and io.conveyor.rate < 0.5 * process.recovery_feed
            and io.conveyor.remaining > 0.5),
        "ultrasonic_low": runs and bool(
            sieve.rate > 0.0 and sieve.ultrasonic_power < 0.7 * 200.0 * sieve.ultrasonic),
        "coil_weak": runs and phase == "separate" and bool(
            sorter.run and sorter.coil > 0.0
            and sorter.flux_density < 0.8 * 0.05 * sorter.coil),
        "classifier_off": runs and phase == "separate" and bool(
            sorter.run and sorter.gas > 0.0
            and abs(sorter.gas_flow * 30.0 - sorter.gas) > 0.1 * sorter.gas),
        "plasma_weak": runs and phase == "surface" and bool(
            io.surface.rate > 0.0 and io.surface.plasma_power < 0.8 * io.surface.plasma),
        "blender_slow": runs and phase == "blend" and bool(
            io.blender.run and io.blender.speed < 0.8 * io.blender.drum),
    }

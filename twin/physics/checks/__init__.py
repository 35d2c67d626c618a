"""Published figures that the physics of the machines is held against, all in one place."""

from __future__ import annotations

from typing import Final

from twin.physics.checks import (
                                   binder_jet,
                                   ded,
                                   gas_atomizer,
                                   pbf_eb,
                                   powder,
                                   prep,
                                   recycling_line,
                                   spheroidizer,
)
from twin.physics.checks.check import Bound, Check, Found, Kind, Source

__all__ = ["CHECKS", "Bound", "Check", "Found", "Kind", "Source"]

CHECKS: Final[tuple[Check, ...]] = (*pbf_eb.CHECKS, *ded.CHECKS, *binder_jet.CHECKS,
                                   *spheroidizer.CHECKS, *prep.CHECKS, *gas_atomizer.CHECKS,
                                   *powder.CHECKS, *recycling_line.CHECKS)
"""By machine, verifications before validations."""

"""Necks in a preheated bed, and how it conducts."""

import pytest

from twin.materials import alloy
from twin.physics.bed_sintering import BRIDGE, FULL_NECK, Necks, bed_conductivity, degree, grow

TI = alloy("Ti-6Al-4V")
NECKS = Necks()


def test_verification_growth_is_a_power_of_time() -> None:
    once, twice = grow(NECKS, 0.0, 1023.0, [20.0, 40.0])
    assert once == pytest.approx(NECKS.neck)
    assert twice / once == pytest.approx(2.0 ** (1.0 / NECKS.exponent))


def test_growth_in_pieces_is_growth_in_one() -> None:
    first = grow(NECKS, 0.0, 1003.0, 12.0)
    assert grow(NECKS, first, 1003.0, 18.0) == pytest.approx(grow(NECKS, 0.0, 1003.0, 30.0))


def test_degree_ends_at_one() -> None:
    middle = (BRIDGE + FULL_NECK) / 2
    assert degree([0.0, BRIDGE, middle, 1.0]) == pytest.approx([0.0, 0.0, 0.5, 1.0])


def test_bed_lies_between_loose_powder_and_metal() -> None:
    k = bed_conductivity(TI, [0.0, 0.1, 0.2], 1003.0)
    assert 0 < k[0] < k[1] < k[2] < float(TI.conductivity(1003.0))

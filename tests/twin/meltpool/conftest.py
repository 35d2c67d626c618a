"""Pools shared by the sensor and defect tests."""

import numpy as np
import pytest

from twin.materials import Alloy, alloy
from twin.meltpool import Laws, MeltPool


@pytest.fixture(scope="package")
def metal() -> Alloy:
    return alloy("IN718")


@pytest.fixture(scope="package")
def rising(metal: Alloy) -> MeltPool:
    """Power from nothing through conduction to a deep keyhole, 80 um spot, 0.96 m/s."""
    return Laws().pools(metal, np.linspace(0.0, 600.0, 61), 0.96, 20e-6, 353.0)

"""Fixtures that several test folders use."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plc_interfaces.allocation import allocate
from plc_interfaces.registers import RegisterMap
from tests.fakes import FakeHost


@pytest.fixture
def fake_host() -> FakeHost:
    """A machine in memory; acts are applied at once."""
    return FakeHost()


@pytest.fixture
def make_host() -> Callable[..., FakeHost]:
    """Makes more of them, with other settings."""
    return FakeHost


@pytest.fixture
def fake_registers() -> RegisterMap:
    """Register addresses of the machine in memory."""
    return allocate(FakeHost().table, RegisterMap((), "fake.csv"))[0]

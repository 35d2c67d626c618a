"""Fixtures that several test folders use, and the rule for clients from outside Python."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from emulators.catalog import MACHINES
from plc_interfaces.allocation import allocate
from plc_interfaces.registers import RegisterMap
from tests.fakes import FakeHost

ONCE = ("test_crash.py", "test_hostile.py")
"""Of servers and records more than of machines, and long: `make test` runs them on the first
machine of the catalogue, `make check` on all."""

FEW = {"test_agreement.py", "test_node_opcua.py", "test_foreign_modbus.py", "test_devices.py",
       "test_real_time.py"}
"""Of the wires: `make test` runs them on a build machine, a furnace and a machine that builds
nothing, `make check` on all."""
LONG = "test_a_run_with_clients_and_faults_is_replayed"
"""So is this one, of determinism."""
WIRED = ("pbf-lb", "sinter-furnace", "gas-atomizer")

# How long an example takes is a matter of the computer and of what else it does. `make test` tries
# the same examples every time, `make check` looks for new ones.
settings.register_profile("amtwin", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("amtwin")

NODE_FOLDER = Path(__file__).parent / "system" / "node"
NODE_MODULES = Path(os.environ.get("AMTWIN_NODE_MODULES", NODE_FOLDER / "node_modules"))


def _missing(needed: str) -> str:
    """Why a client from outside cannot be used; empty if it can."""
    if needed == "mbpoll":
        return "" if shutil.which("mbpoll") else "mbpoll is not installed"
    if shutil.which("node") is None:
        return "Node.js is not installed"
    found = (NODE_MODULES / needed).is_dir()
    return "" if found else f"{needed} is not installed: npm install in tests/system/node"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """``foreign("mbpoll")`` and ``foreign("NODE PACKAGE")`` skip, or fail where required."""
    for marker in item.iter_markers("foreign"):
        for why in filter(None, map(_missing, marker.args)):
            if os.environ.get("AMTWIN_REQUIRE_FOREIGN") == "1":
                pytest.fail(f"{why}, and AMTWIN_REQUIRE_FOREIGN=1 asks for it", pytrace=False)
            pytest.skip(why)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file and one machine share what they run on, so they stay in one process."""
    first = next(iter(MACHINES))
    for item in items:
        arguments = getattr(getattr(item, "callspec", None), "params", {})
        machine = arguments.get("machine_type", "")
        item.add_marker(pytest.mark.xdist_group(f"{item.path} {machine}".strip()))
        once = item.path.name in ONCE
        few = item.path.name in FEW or item.name.startswith(LONG)
        if machine and ((once and machine != first) or (few and machine not in WIRED)):
            item.add_marker(pytest.mark.slow)


def pytest_unconfigure() -> None:
    """Servers freeze what they loaded; libraries complain at exit about what is never freed."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def node_environment() -> dict[str, str]:
    """Environment for scripts in tests/system/node."""
    return {**os.environ, "NODE_PATH": str(NODE_MODULES)}


@pytest.fixture(scope="session", params=MACHINES)
def machine_type(request: pytest.FixtureRequest) -> str:
    """Every machine type in the catalogue."""
    return str(request.param)


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

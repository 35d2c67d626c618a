"""Real machines for tests: run, served, stepped; their trials are in `tests.trials`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

from asyncua import ua
from typer.testing import CliRunner

from emulators.catalog import Settings
from emulators.emulator import Emulator
from emulators.runs import begin, finish, summarise
from emulators.serving import Ports, Serving
from plc_interfaces.connect import connect
from plc_interfaces.host import Act, ActKind
from plc_interfaces.opcua.device import client_for
from scenarios.cli import app
from tests.opcua_machine import PASSWORD, security
from tests.trials import TRIALS, Trial, block, recipe, trial
from twin.image import Device

ROOT = Path(__file__).parents[1]
WIRES = ("local", "modbus", "opcua")
EPOCH = 1_700_000_000.0


class Machine:
    """A machine that runs in this process, with its ports open if it is served."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        record: bool = False,
        every_scan: bool = False,
        speed: float = inf,
    ) -> None:
        self.folder = folder
        self.trial = trial(settings.machine)
        self.settings = settings
        self.record = folder / "run"
        built = begin(settings, self.record if record else None, EPOCH)
        self.emulator: Emulator = built.emulator
        self.emulator.every_scan = every_scan
        self.emulator.pacer.set_factor(speed)
        self.program = built.programs[0] if built.programs else ""
        self.serving: Serving | None = None
        self._began = time.perf_counter()

    # -- before it is paced: in the test's own thread

    def scan_until(self, done: Callable[[], bool], limit: float = 20_000.0) -> None:
        """Scan as fast as possible until something is so; fails after `limit` simulated s."""
        while not done():
            assert self.emulator.time < limit, f"not so after {limit} s"
            self.emulator.scan(self.emulator.next_scan)
            self.emulator.shown.publish(self.emulator.scan_number, self.emulator.time, True)

    def order(self, name: str = "JOB-0001") -> None:
        """Queue the job."""
        self.emulator.submit(
            Act(ActKind.CALL, "Job.StoreAndStart", [name, self.program], "test", "local")
        )

    def value(self, path: str) -> Any:
        """What clients see now."""
        return self.emulator.frame().values[self.emulator.table.index[path]]

    # -- paced

    def serve(self, **ports: Any) -> Machine:
        """Open free ports, and let it run at its speed in a thread of its own."""
        security(self.folder)
        chosen: dict[str, Any] = {"opcua": 0, "modbus": 0, "instructor": 0, **ports}
        self.serving = Serving([self.emulator], Ports(**chosen), self.folder)
        self.serving.start()
        self.emulator.start(lambda emulator: False)
        return self

    def close(self) -> None:
        """End the run, close ports and record."""
        self.emulator.stop()
        self.emulator.join(10)
        if self.serving is not None:
            self.serving.stop()
        wall = time.perf_counter() - self._began
        finish(self.emulator, summarise(self.emulator, wall), "stopped")

    def step(self, scans: int = 1) -> None:
        """Lock-step: let so many scans pass, and be published."""
        self.emulator.pacer.step(scans, timeout=20)

    @property
    def modbus_port(self) -> int:
        assert self.serving is not None
        assert self.serving.modbus is not None
        return self.serving.modbus.port

    @property
    def opcua_url(self) -> str:
        assert self.serving is not None
        assert self.serving.opcua is not None
        return self.serving.opcua.url

    @property
    def instructor_url(self) -> str:
        assert self.serving is not None
        assert self.serving.instructor is not None
        return self.serving.instructor.url

    async def device(self, wire: str, user: str = "ed") -> Device:
        """A client of it: one of `WIRES`; Modbus knows no users."""
        if wire == "local":
            return await connect(self.emulator, user=user)
        if wire == "modbus":
            return await connect(
                f"modbus://127.0.0.1:{self.modbus_port}/1?map={self.settings.machine}"
            )
        return await connect(
            self.opcua_url, user=user, password=PASSWORD, security=self.folder / "client"
        )

    @asynccontextmanager
    async def instructor(self) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
        """Calls the machine's methods on the instructor's endpoint."""
        client = await client_for(self.instructor_url, "ines", PASSWORD, self.folder / "client")
        name = self.emulator.identity.name
        async with client:
            index = await client.get_namespace_index(f"urn:amtwin:{name}")
            owner = client.get_node(ua.NodeId(f"Machines/{name}", index))

            async def call(method: str, *arguments: Any) -> Any:
                node = ua.NodeId(f"Machines/{name}.{method}", index)
                return await owner.call_method(node, *arguments)

            yield call

    def fault(self, path: str, value: Any) -> None:
        """What an instructor does, without an endpoint; returns when it is done."""
        self.emulator.submit(Act(ActKind.FAULT, path, value, "ines", "instructor")).result(20)


@contextmanager
def machine(
    kind: str,
    folder: Path,
    *,
    served: dict[str, Any] | None = None,
    layers: int = 6,
    warm_up: Callable[[Machine], bool] | None = None,
    speed: float = inf,
    record: bool = False,
    **changes: Any,
) -> Iterator[Machine]:
    """A quick machine; with `warm_up` its job has been run until that is so, then it is paced."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = replace(trial(kind).settings(folder, layers), **changes)
    made = Machine(settings, folder, record=record)
    try:
        if warm_up is not None:
            made.order()
            made.scan_until(lambda: warm_up(made))
        made.emulator.pacer.set_factor(speed)
        if served is not None:
            made.serve(**served)
        yield made
    finally:
        made.close()


async def settled(emulator: Emulator, *devices: Device) -> None:
    """Wait until clients see what was published last: servers hand it on when they get to it.

    The clock stands meanwhile.
    """
    path = "Simulation.SimulatedTime"

    def now() -> float:
        # A scan that was under way when the clock was stopped may still be published.
        return float(emulator.frame().values[emulator.table.index[path]])

    async with asyncio.timeout(20):
        for device in devices:
            while abs((await device.read(path)).value - now()) > 0.5 * emulator.scan_period:
                await asyncio.sleep(0.002)


def until(done: Callable[[], bool], timeout: float = 20.0, what: str = "") -> None:
    """Wait on the wall clock until something is so."""
    end = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < end, f"not so after {timeout} s: {what}"
        time.sleep(0.01)


class Amtwin:
    """The command as a process of its own."""

    def __init__(self, *arguments: str | Path, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scenarios.cli", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "AMTWIN_HOME": str(home), "COLUMNS": "200"},
        )

    def ready(self) -> dict[str, Any]:
        """The first line that ``--json`` prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.finish()[2])
        found: dict[str, Any] = json.loads(line)
        return found

    def finish(self, timeout: float = 90.0) -> tuple[int, list[dict[str, Any]], str]:
        """Exit code, the lines still printed, standard error."""
        out, err = self.process.communicate(timeout=timeout)
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        return self.process.returncode, lines, err

    def kill(self) -> None:
        """What a power cut does."""
        self.process.kill()
        self.process.communicate()


def run_amtwin(*arguments: str | Path, home: Path) -> tuple[int, list[dict[str, Any]], str]:
    """Run the command to its end."""
    return Amtwin(*arguments, home=home).finish()


def invoke(*arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """The command in this process, which is quicker: exit code, lines printed, errors."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        result = CliRunner().invoke(app, list(map(str, arguments)))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return result.exit_code, lines, result.stderr


__all__: Sequence[str] = (
    "EPOCH",
    "ROOT",
    "TRIALS",
    "WIRES",
    "Amtwin",
    "Machine",
    "Trial",
    "block",
    "invoke",
    "machine",
    "recipe",
    "run_amtwin",
    "settled",
    "trial",
    "until",
)

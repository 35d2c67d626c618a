"""Real machines for tests: a quick trial of every type in the catalogue, run, served, stepped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from math import inf
from pathlib import Path
from typing import Any

import trimesh
import yaml
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
from twin.image import Device

ROOT = Path(__file__).parents[1]
WIRES = ("local", "modbus", "opcua")
EPOCH = 1_700_000_000.0


@dataclass(frozen=True)
class Trial:
    """What tests must know of a machine type to try it: a short job, and things to do to it."""

    settings: Callable[[Path, int], Settings]
    """A quick job of so many layers (or lots); its files go into the folder."""
    counter: str
    """Counts the layers (or lots) finished."""
    setpoint: tuple[str, float, float]
    """An operator may write it: path, a value in range, one out of range."""
    switch: str
    """A bool that an engineer may write, and that an idle machine has off."""
    reading: str
    """A measured value."""
    failure: tuple[str, float, str]
    """A bias of a sensor, and the alarm that it raises at any time while the machine works."""
    fault: tuple[str, float]
    """A process fault that a job survives."""
    interlock: tuple[str, str]
    """A fault that ends a job, and its alarm."""
    thorough: Callable[[Path, int], Settings] | None = None
    """A job that uses all the machine has, if the quick one does not."""


def block(folder: Path, layers: int, side: float = 4.0) -> Path:
    """A block in an STL file (mm), so many layers of 40 um high."""
    path = folder / f"block{layers}.stl"
    trimesh.creation.box(extents=(side, side, layers * 0.04)).export(path)
    return path


def recipe(folder: Path, name: str = "IN718", machine: str = "pbf-lb", **changes: Any) -> Path:
    """A packaged recipe with other values: ``section__field=value`` in its unit."""
    source = files("emulators") / "recipes" / machine / f"{name}.toml"
    data = tomllib.loads(source.read_text(encoding="utf-8"))
    for dotted, value in changes.items():
        *above, last = dotted.split("__")
        section = data
        for part in above:
            section = section[part]
        section[last] = value if isinstance(value, dict) else {**section[last], "value": value}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def _pbf_lb(folder: Path, layers: int) -> Settings:
    quick = recipe(
        folder,
        atmosphere__purge_flow=400,
        atmosphere__oxygen_limit=5000,
        temperature__preheat=30,
        temperature__unpack=90,
        recoating__speed=250,
    )
    return Settings("pbf-lb", parts=(str(block(folder, layers)),), unit="mm", recipe=str(quick))


def _pbf_eb(folder: Path, layers: int) -> Settings:
    """A small build tank is hot within a minute."""
    quick = recipe(
        folder,
        "Ti-6Al-4V",
        "pbf-eb",
        layer_thickness=40,
        raking__speed=500,
        preheat__tank=60,
        preheat__edge=50,
        preheat__bed=800,
        preheat__start=780,
        preheat__plate_current=50,
        preheat__current_1=5,
        preheat__time_1=1,
        preheat__current_2=8,
        preheat__time_2=3,
        vacuum__start_pressure=1e-2,
        temperature__unpack=600,
    )
    return Settings("pbf-eb", parts=(str(block(folder, layers)),), unit="mm", recipe=str(quick))


def _pbf_eb_thorough(folder: Path, layers: int) -> Settings:
    """A part that is melted for longer than a scan."""
    usual = _pbf_eb(folder, layers)
    return replace(usual, parts=(str(block(folder, layers, side=24.0)),))


def _binder_jet(folder: Path, layers: int) -> Settings:
    quick = recipe(
        folder,
        "316L",
        "binder-jet",
        layer_thickness=40,
        shrinkage__compensate=False,
        printing__head_temperature=26,
        printing__wipe_every=0,
        spreading__speed=500,
        drying__time=4,
        drying__lamp=80,
        drying__box_temperature=20,
        drying__dry_limit=10,
        curing__time=0,
        depowdering__time=0.1,
    )
    return Settings(
        "binder-jet", parts=(str(block(folder, layers)),), unit="mm", recipe=str(quick)
    )


def _binder_jet_thorough(folder: Path, layers: int) -> Settings:
    """Warm box, cured, with a strip so thin that it breaks."""
    strip = folder / "strip.stl"
    trimesh.creation.box(extents=(20, 0.5, layers * 0.04)).export(strip)
    quick = recipe(
        folder,
        "316L",
        "binder-jet",
        layer_thickness=40,
        shrinkage__compensate=False,
        drying__box_temperature=30,
        curing__time=1,
        depowdering__time=0.1,
    )
    parts = (str(block(folder, layers)), str(strip))
    return Settings("binder-jet", parts=parts, unit="mm", recipe=str(quick))


def _sinter_furnace(folder: Path, layers: int) -> Settings:
    """So many segments; they count as layers."""
    quick = recipe(
        folder,
        "316L",
        "sinter-furnace",
        purging__flow=250,
        purging__vacuum=400,
        purging__leak_time=10,
        purging__leak_limit=10,
        purging__oxygen_limit=10_000,
        debinding__first=25,
        debinding__last=25,
        debinding__steps=layers - 1,
        debinding__rate=50,
        debinding__time=0,
        debinding__gas="argon",
        presintering__hold=0,
        sintering__temperature=25,
        sintering__rate=50,
        sintering__soak_band=20,
        sintering__hold=0,
        sintering__gas="argon",
        cooling__unload=200,
    )
    return Settings("sinter-furnace", parts=(str(block(folder, 100)),), unit="mm",
                    recipe=str(quick))


def _ded_powder(folder: Path, layers: int) -> Settings:
    quick = recipe(
        folder,
        "316L",
        "ded-powder",
        passes__layer_height=0.4,
        thermal__interpass_limit=320,
        thermal__unpack=290,
        thermal__dwell=25,
        powder__lead=3,
    )
    part = folder / f"beads{layers}.stl"
    trimesh.creation.box(extents=(12.0, 6.0, layers * 0.4)).export(part)
    return Settings("ded-powder", parts=(str(part),), unit="mm", recipe=str(quick))


def _wire(folder: Path, layers: int, machine: str, alloy: str, height: float,
          **changes: Any) -> Settings:
    quick = recipe(
        folder,
        alloy,
        machine,
        passes__layer_height=height,
        thermal__interpass_limit=500,
        thermal__unpack=290,
        thermal__dwell=31,
        wire__pass_dwell=0,
        **changes,
    )
    part = folder / f"wall{layers}.stl"
    trimesh.creation.box(extents=(24.0, 8.0, layers * height)).export(part)
    return Settings(machine, parts=(str(part),), unit="mm", recipe=str(quick))


def _ded_wire_laser(folder: Path, layers: int) -> Settings:
    return _wire(folder, layers, "ded-wire-laser", "316L", 1.4, laser__regulate=False)


def _ded_arc(folder: Path, layers: int) -> Settings:
    return _wire(folder, layers, "ded-arc", "ER70S-6", 2.5)


def _spheroidizer(folder: Path, layers: int) -> Settings:
    """So many batches; they count as layers."""
    quick = recipe(
        folder,
        "316L",
        "spheroidizer",
        gas__purge=400,
        gas__oxygen_limit=100_000,
        gas__oxygen_hold=150_000,
        gas__dew_hold=30,
        feed__rate=18,
        feed__batch=0.025,
        feed__batches={"value": layers},
        quality__sphericity=0,
        cooling__unload=150,
        cooling__passivate={"value": False},
    )
    return Settings("spheroidizer", recipe=str(quick))


def _spheroidizer_thorough(folder: Path, layers: int) -> Settings:
    """Little oxygen, reused argon, a batch that lasts, soot that is passivated."""
    quick = recipe(
        folder,
        "316L",
        "spheroidizer",
        gas__purge=400,
        gas__reuse=50,
        feed__rate=6,
        feed__batch=0.1,
        feed__batches={"value": layers},
        quality__sphericity=0,
    )
    return Settings("spheroidizer", recipe=str(quick))


def _sinter_furnace_thorough(folder: Path, layers: int) -> Settings:
    """Hydrogen and heat, a part that passes a lenient inspection and a thick one that cracks."""
    thick = folder / "thick.stl"
    trimesh.creation.box(extents=(40, 40, 40)).export(thick)
    quick = recipe(
        folder,
        "316L",
        "sinter-furnace",
        purging__flow=400,
        debinding__first=350,
        debinding__last=450,
        debinding__steps=layers - 1,
        debinding__rate=30,
        debinding__time=30,
        presintering__hold=0,
        sintering__temperature=700,
        sintering__rate=30,
        sintering__hold=5,
        sintering__soak_band=30,
        cooling__unload=200,
        quality__density=50,
        quality__tolerance=20,
        quality__carbon=20_000,
        green__compensated=False,
    )
    parts = (str(block(folder, 100)), str(thick))
    return Settings("sinter-furnace", parts=parts, unit="mm", recipe=str(quick))


def _prep(folder: Path, layers: int) -> Settings:
    """So many rods; they count as layers."""
    quick = recipe(
        folder,
        "Ti-6Al-4V",
        "prep",
        rods__count=layers,
        rods__length=63,
        rods__stub=60,
        rods__loading=0.02,
        rods__change=1,
        gas__vacuum=20,
        gas__fill_flow=6000,
        gas__oxygen_limit=5000,
        rotation__speed=5000,
        rotation__acceleration=2000,
        rotation__braking=2000,
        arc__power=100,
        arc__approach=6,
        cooling__unload=60,
    )
    return Settings("prep", recipe=str(quick))


def _prep_thorough(folder: Path, layers: int) -> Settings:
    """Clean gas, drops by the other equation, tungsten."""
    quick = recipe(
        folder,
        "W",
        "prep",
        rods__count=layers,
        rods__length=80,
        rods__loading=0.1,
        rods__change=2,
        gas__vacuum=0.2,
        gas__fill_flow=3000,
        rotation__acceleration=2000,
        rotation__braking=1000,
        arc__approach=6,
        drops__model="champagne-angers",
        drops__factor=5.27,
    )
    return Settings("prep", recipe=str(quick))


def _gas_atomizer(folder: Path, layers: int) -> Settings:
    """So many short rods, atomized in air; they count as layers."""
    quick = recipe(
        folder,
        "Ti-6Al-4V",
        "gas-atomizer",
        charge__count=layers,
        charge__mass=0.5,
        charge__time=0,
        charge__power=250,
        rod__diameter=80,
        rod__feed=130,
        rod__stub=0.3,
        chamber__vacuum=1100,
        chamber__leak_time=1,
        chamber__leak_limit=10_000,
        chamber__oxygen_limit=250_000,
        chamber__settling=0,
        cooling__powder=300,
        cooling__passivation=0,
        cooling__discharge=0,
    )
    return Settings("gas-atomizer", recipe=str(quick))


def _gas_atomizer_thorough(folder: Path, layers: int) -> Settings:
    """Small charges from a crucible, with hot gas and a filter that is pulsed all the time."""
    quick = recipe(
        folder,
        "AlSi10Mg",
        "gas-atomizer",
        charge__count=layers,
        charge__mass=2,
        charge__time=1,
        charge__power=200,
        charge__superheat=150,
        charge__hold=0,
        chamber__vacuum=120,
        chamber__leak_time=5,
        chamber__leak_limit=100,
        chamber__oxygen_limit=40_000,
        nozzle__preheat=60,
        nozzle__margin=-10,
        pour__level=25,
        pour__tail_level=10,
        gas__temperature=120,
        filter__pulse=1,
        cooling__powder=300,
        cooling__passivation=1,
        cooling__discharge=1,
    )
    return Settings("gas-atomizer", recipe=str(quick))


def _recycling_line(folder: Path, layers: int) -> Settings:
    """So many batches of half a kilogram; they count as layers."""
    quick = recipe(
        folder,
        "316L",
        "recycling-line",
        **_RECYCLED,
        stock__used=0.1 * layers,
        recovery__batches=layers,
        recovery__feed=60,
        magnet__use=False,
        sieving__feed=1000,
        drying__use=False,
        surface__use=False,
        blending__use=False,
        quality__tests="none",
    )
    return Settings("recycling-line", recipe=str(quick))


_RECYCLED: dict[str, Any] = {
    "gas__purge": 2000,
    "gas__limiting_oxygen": 15,
    "gas__start_oxygen": 8_000,
    "drying__temperature": 30,
    "drying__time": 0.5,
    "drying__dew_point": 20,
    "drying__unload": 60,
}


def _recycling_line_thorough(folder: Path, layers: int) -> Settings:
    """Mixed powder by both methods, plasma with hydrogen, virgin powder, a fine deck."""
    thorough = recipe(
        folder,
        "AlSi10Mg-from-316L",
        "recycling-line",
        **_RECYCLED,
        stock__used=0.5 * layers,
        stock__moisture=60,
        stock__coarse=0.5,
        recovery__batches=layers,
        magnet__use=True,
        sieving__fine_mesh=15,
        separating__method="both",
        separating__passes=1,
        surface__use=True,
        surface__plasma=20,
        surface__hydrogen=5,
        blending__time=2,
        blending__least=10,
    )
    return Settings("recycling-line", recipe=str(thorough))


THOROUGH: dict[str, Any] = {
    "atmosphere__inert": True,
    "atmosphere__oxygen_limit": 20_000,
    "thermal__preheat": 60,
    "wire__retract": 40,
}
"""Gas around the job, a heated plate; a wire drawn back too far is out of its tip."""


def _ded_wire_laser_thorough(folder: Path, layers: int) -> Settings:
    """Hot wire in an inert cell."""
    return _wire(folder, layers, "ded-wire-laser", "308L", 2.4, **THOROUGH)


def _ded_arc_thorough(folder: Path, layers: int) -> Settings:
    """In an inert tent."""
    return _wire(folder, layers, "ded-arc", "ER70S-6", 2.5, **THOROUGH)


TRIALS: dict[str, Trial] = {
    "pbf-lb": Trial(
        settings=_pbf_lb,
        counter="Job.Layer",
        setpoint=("Process.LaserPower", 250.5, 5000.0),
        switch="Process.Vacuum",
        reading="Chamber.OxygenTop",
        failure=("Gas.FilterDifferentialPressure", 90.0, "Alarms.FilterHigh"),
        fault=("Laser1.Contamination", 8.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    ),
    "pbf-eb": Trial(
        settings=_pbf_eb,
        counter="Job.Layer",
        setpoint=("Process.MeltCurrent", 15.5, 500.0),
        switch="Process.FixedPreheat",
        reading="Platform.Temperature",
        failure=("HighVoltage.DoseRate", 2.0, "Alarms.XrayHigh"),
        fault=("Beam1.CathodeWear", 8.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
        thorough=_pbf_eb_thorough,
    ),
    "ded-powder": Trial(
        settings=_ded_powder,
        counter="Job.Layer",
        setpoint=("Process.LaserPower", 950.5, 50_000.0),
        switch="Process.Inert",
        reading="Head.StandOff",
        failure=("Laser.WindowScatter", 10.0, "Alarms.WindowDirty"),
        fault=("Laser.Contamination", 8.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    ),
    "ded-wire-laser": Trial(
        settings=_ded_wire_laser,
        counter="Job.Layer",
        setpoint=("Process.WireFeed", 2.75, 50.0),
        switch="Process.Inert",
        reading="Head.StandOff",
        failure=("WireFeeder.SpoolMass", -14.5, "Alarms.SpoolLow"),
        fault=("WireFeeder.Slip", 4.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
        thorough=_ded_wire_laser_thorough,
    ),
    "ded-arc": Trial(
        settings=_ded_arc,
        counter="Job.Layer",
        setpoint=("Process.WireFeed", 8.25, 50.0),
        switch="Process.Inert",
        reading="Head.StandOff",
        failure=("WireFeeder.SpoolMass", -17.5, "Alarms.SpoolLow"),
        fault=("WireFeeder.Slip", 4.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
        thorough=_ded_arc_thorough,
    ),
    "binder-jet": Trial(
        settings=_binder_jet,
        counter="Job.Layer",
        setpoint=("Process.Saturation", 65.5, 500.0),
        switch="Process.Remap",
        reading="Dryer.BedTemperature",
        failure=("Hood.Vapour", 15.0, "Alarms.VapourRising"),
        fault=("Head.DropDrift", 5.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
        thorough=_binder_jet_thorough,
    ),
    "sinter-furnace": Trial(
        settings=_sinter_furnace,
        counter="Job.Layer",
        setpoint=("Process.GasFlow", 300.5, 5000.0),
        switch="Process.InertOnly",
        reading="Furnace.LoadTemperature",
        failure=("Furnace.ShellTemperature", 50.0, "Alarms.ShellHot"),
        fault=("Zone1.ElementFailure", 10.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
        thorough=_sinter_furnace_thorough,
    ),
    "prep": Trial(
        settings=_prep,
        counter="Job.Layer",
        setpoint=("Process.Power", 81.5, 5000.0),
        switch="Process.ArgonOnly",
        reading="Arc.Voltage",
        failure=("Spindle.BearingTemperature", 68.0, "Alarms.BearingHot"),
        fault=("Arc.ElectrodeWear", 5.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
        thorough=_prep_thorough,
    ),
    "spheroidizer": Trial(
        settings=_spheroidizer,
        counter="Job.Layer",
        setpoint=("Process.FeedRate", 16.75, 500.0),
        switch="Process.InertOnly",
        reading="Torch.PlatePower",
        failure=("Loop.FilterDifferentialPressure", 50.0, "Alarms.FilterLoaded"),
        fault=("Feeder.Surge", 10.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
        thorough=_spheroidizer_thorough,
    ),
    "gas-atomizer": Trial(
        settings=_gas_atomizer,
        counter="Job.Layer",
        setpoint=("Process.Pressure", 31.5, 500.0),
        switch="Process.Bypass",
        reading="Tower.Pressure",
        failure=("Chiller.ReturnTemperature", 50.0, "Alarms.WaterHot"),
        fault=("Separator.Blinding", 8.0),
        interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
        thorough=_gas_atomizer_thorough,
    ),
}

TRIALS["recycling-line"] = Trial(
    settings=_recycling_line,
    counter="Job.Layer",
    setpoint=("Process.DryingTime", 30.5, 5000.0),
    switch="Process.RetestReleases",
    reading="Line.OxygenA",
    failure=("Filter.DifferentialPressure", 60.0, "Alarms.FilterClogged"),
    fault=("Sieve.Blinding", 3.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_recycling_line_thorough,
)


def trial(machine: str) -> Trial:
    """The trial of a machine type; every type in the catalogue has one."""
    assert machine in TRIALS, f"tests/machines.py has no trial of {machine}"
    return TRIALS[machine]


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
    now = emulator.frame().values[emulator.table.index[path]]
    async with asyncio.timeout(20):
        for device in devices:
            while abs((await device.read(path)).value - now) > 0.5 * emulator.scan_period:
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

"""Bad input at the command line: one clear error, an exit code, and nothing left behind."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from plc_interfaces.sync import SyncDevice
from scenarios.loop import command_line, run
from tests.machines import Amtwin, block, invoke, recipe, run_amtwin

Make = Callable[[Path], list[str]]


def torn_mesh(folder: Path) -> list[str]:
    """A sphere with a third of its triangles gone: no repair can guess what was there."""
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=5.0)
    keep = np.random.default_rng(1).permutation(len(sphere.faces))[: len(sphere.faces) * 2 // 3]
    path = folder / "torn.stl"
    trimesh.Trimesh(sphere.vertices, sphere.faces[keep], process=False).export(path)
    return [f"--part={path}", "--unit=mm"]


def empty_mesh(folder: Path) -> list[str]:
    path = folder / "empty.stl"
    path.write_bytes(bytes(84))
    return [f"--part={path}"]


def no_mesh(folder: Path) -> list[str]:
    path = folder / "letter.stl"
    path.write_text("Dear machine,\nplease build something nice.\n")
    return [f"--part={path}"]


def too_large(folder: Path) -> list[str]:
    path = folder / "large.stl"
    trimesh.creation.box(extents=(400, 10, 10)).export(path)
    return [f"--part={path}", "--unit=mm"]


def with_recipe(**changes: Any) -> Make:
    return lambda folder: [f"--recipe={recipe(folder, **changes)}"]


def broken_recipe(folder: Path) -> list[str]:
    path = folder / "broken.toml"
    path.write_text("alloy = IN718\n[[[")
    return [f"--recipe={path}"]


def taken_port(option: str) -> Make:
    def make(folder: Path) -> list[str]:
        # Kept open until the process ends, which is after the test.
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        _TAKEN.append(taken)
        return [f"--{option}={taken.getsockname()[1]}"]

    return make


_TAKEN: list[socket.socket] = []


@pytest.fixture(autouse=True)
def close_sockets() -> object:
    yield
    while _TAKEN:
        _TAKEN.pop().close()


def file_in_the_way(folder: Path) -> list[str]:
    (folder / "file").write_text("")
    return [f"--record={folder / 'file' / 'run'}"]


def kept_run(folder: Path) -> list[str]:
    code, _, err = invoke(
        "run",
        "pbf-lb",
        "--offline",
        "--until=1",
        "--speed=max",
        "--json",
        f"--record={folder / 'run'}",
    )
    assert code == 0, err
    return [f"--record={folder / 'run'}"]


def says(*options: str) -> Make:
    return lambda folder: list(options)


CASES: dict[str, tuple[Make, list[str]]] = {
    "torn mesh": (torn_mesh, ["torn.stl"]),
    "empty mesh": (empty_mesh, ["empty.stl"]),
    "no mesh": (no_mesh, ["letter.stl"]),
    "no file": (says("--part=nowhere.stl"), ["nowhere.stl"]),
    "no example": (says("--part=example:teapot"), ["teapot", "bracket"]),
    "part larger than the machine": (too_large, ["large", "280"]),
    "nonsense unit": (lambda f: [f"--part={block(f, 6)}", "--unit=parsec"], ["parsec", "mm"]),
    "unit nobody can mean": (lambda f: [f"--part={block(f, 6)}", "--unit=m"], ["block6"]),
    "negative speed": (with_recipe(hatch__speed=-960), ["IN718.yaml", "hatch.speed", "-960"]),
    "wrong unit": (with_recipe(hatch__power={"value": 200, "unit": "kg"}), ["hatch.power", "kg"]),
    "unknown field": (with_recipe(hatch__colour={"value": 1, "unit": "1"}), ["colour"]),
    "broken recipe": (broken_recipe, ["broken.toml"]),
    "no recipe": (says("--recipe=IN999"), ["IN999", "IN718"]),
    "unknown alloy": (says("--alloy=Unobtainium"), ["Unobtainium", "IN718"]),
    "another alloy's recipe": (says("--recipe=IN718", "--alloy=Ti64"), ["Ti64", "IN718"]),
    "no laser": (says("--lasers=0"), ["lasers", "12"]),
    "blade": (says("--blade=rubber"), ["rubber", "hard"]),
    "fidelity": (says("--fidelity=magic"), ["magic", "vector"]),
    "melt pool": (says("--melt-pool=oracle"), ["oracle", "laws"]),
    "control": (says("--control=remote"), ["remote", "external"]),
    "scan period": (says("--scan-ms=0"), ["scan_ms", "1000"]),
    "speed": (says("--speed=warp"), ["speed", "warp"]),
    "backwards": (says("--speed=-1"), ["speed", "-1"]),
    "until": (says("--until=dawn"), ["until", "dawn"]),
    "OPC UA port taken": (taken_port("opcua-port"), ["OPC UA", "127.0.0.1"]),
    "Modbus port taken": (taken_port("modbus-port"), ["Modbus", "127.0.0.1"]),
    "record over a file": (file_in_the_way, ["file"]),
    "record over a run": (kept_run, ["run", "--resume"]),
    "host": (says("--host=256.1.1.1"), ["256.1.1.1"]),
    "insecure beyond loopback": (says("--host=0.0.0.0", "--insecure"), ["loopback"]),
}


def check(code: int, lines: object, err: str, named: list[str]) -> None:
    assert code == 2, err
    assert not lines
    assert err.startswith("amtwin: "), err
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err


@pytest.mark.parametrize("case", CASES)
def test_one_clear_error(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path / "home"))
    make, named = CASES[case]
    options = make(tmp_path)
    given = {option.partition("=")[0] for option in options}
    defaults = {"--opcua-port": "0", "--modbus-port": "0", "--until": "1", "--speed": "max"}
    options += [f"{name}={value}" for name, value in defaults.items() if name not in given]
    if "--record" not in given:
        options.append(f"--record={tmp_path / 'new'}")
    check(*invoke("run", "pbf-lb", "--json", *options), named)
    assert not (tmp_path / "new" / "run.json").exists(), "a run that never began left a record"


@pytest.mark.parametrize("case", ["torn mesh", "OPC UA port taken"])
def test_a_process_says_the_same_and_no_more(case: str, tmp_path: Path) -> None:
    make, named = CASES[case]
    check(
        *run_amtwin(
            "run", "pbf-lb", "--modbus-port=0", *make(tmp_path), "--no-record", home=tmp_path
        ),
        named,
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_record_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        found = invoke("run", "pbf-lb", "--offline", f"--record={tmp_path / 'run'}")
    finally:
        tmp_path.chmod(0o700)
    check(*found, [str(tmp_path)])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "time-machine"], ["time-machine", "pbf-lb"]),
        (["signals", "time-machine"], ["time-machine", "pbf-lb"]),
        (["replay", "nowhere"], ["nowhere", "run.json"]),
        (["recipes", "IN999"], ["IN999", "IN718"]),
    ],
)
def test_other_commands(arguments: list[str], named: list[str]) -> None:
    check(*invoke(*arguments), named)


def test_an_unknown_option() -> None:
    code, lines, err = invoke("run", "pbf-lb", "--turbo")
    assert (code, lines) == (2, [])
    assert "--turbo" in err


def test_an_aborted_job_is_a_failure(tmp_path: Path) -> None:
    """Exit code 1: the input was good, the job came to no good end."""
    running = Amtwin(
        "run",
        "pbf-lb",
        "--part=example:cube",
        "--json",
        "--speed=20",
        "--opcua-port=0",
        "--modbus-port=0",
        "--no-record",
        home=tmp_path,
    )
    port = int(running.ready()["modbus"].rpartition(":")[2])
    try:
        _abort(port)
        code, (summary,), err = running.finish()
    finally:
        running.kill()
    assert (code, summary["state"]) == (1, "aborted")
    assert "Traceback" not in err


def _abort(port: int) -> None:
    # The run may end, and close its ports, before the answer is asked for.
    with (
        suppress(ConnectionError),
        SyncDevice(f"modbus://127.0.0.1:{port}/1?map=pbf-lb&timeout=1") as device,
    ):
        device.call("Job.Abort", "JOB-0001")


@pytest.mark.parametrize(
    ("machine", "option", "named"),
    [
        ("gas-atomizer", "--lasers=4", ["lasers", "gas-atomizer", "pbf-lb"]),
        ("recycling-line", "--melt-pool=solver", ["melt_pool", "recycling-line", "pbf-eb"]),
        ("prep", "--no-supports", ["supports", "prep", "ded-arc"]),
        ("ded-arc", "--beams=2", ["beams", "ded-arc", "pbf-eb"]),
        ("sinter-furnace", "--place=0,0", ["places", "sinter-furnace", "binder-jet"]),
        ("ded-powder", "--pictures", ["pictures", "ded-powder", "pbf-lb"]),
    ],
)
def test_what_a_machine_does_not_take_is_not_taken_in_silence(
    machine: str, option: str, named: list[str]
) -> None:
    check(*invoke("run", machine, option, "--offline", "--no-record"), named)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("nonsense", "modbus:// or opc.tcp://"),
        ("modbus://127.0.0.1:1/1", "map"),
        ("modbus://127.0.0.1:1/1?map=pbf-lb", "127.0.0.1:1"),
        ("opc.tcp://127.0.0.1:1/", "127.0.0.1"),
    ],
)
def test_a_loop_that_cannot_begin_says_why_in_one_line(url: str, named: str) -> None:
    options = command_line("A loop.", "pbf-lb").parse_args([url])

    async def never(device: object) -> None:
        raise AssertionError(f"connected to {device}")

    with pytest.raises(SystemExit) as caught:
        run(options, never)
    told = str(caught.value.code)
    assert told.startswith(f"{url}: ")
    assert named in told
    assert "\n" not in told

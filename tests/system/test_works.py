"""A works as its users run it: ports of all machines, foreign clients, any speed, a power cut."""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from plc_interfaces.registers import load_table
from tests.conftest import NODE_FOLDER
from tests.machines import TRIALS, Amtwin, run_amtwin
from tests.opcua_machine import PASSWORD, security

UNTIL = 1500.0
SPEED = 60


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two printers and a furnace, one person on shift, four orders within minutes."""
    folder = tmp_path_factory.mktemp("plan")
    built = TRIALS["pbf-lb"].settings(folder, 3)
    assert built.recipe is not None
    fired = TRIALS["sinter-furnace"].settings(folder, 2)
    assert fired.recipe is not None
    printer = {
        "type": "pbf-lb", "gas": "argon", "setup_h": 0.02, "unload_h": 0.02,
        "programs": [{
            "name": "blocks", "makes": {"product": "block"},
            "takes": [{"store": "IN718 15-53", "kg": 20}],
            "parts": list(built.parts), "unit": "mm", "recipe": built.recipe}]}
    told = {
        "begins": "Mon 06:00",
        "power_limit_kw": 100,
        "products": ["block", "bush"],
        "gases": [{"name": "argon", "capacity_m3": 100, "start_m3": 90, "reorder_m3": 20}],
        "shifts": [{"name": "early", "days": ["Mon"], "begins": "06:00", "ends": "14:00"}],
        "people": [{"name": "Ann", "skills": ["operator", "maintenance", "laboratory"],
                    "shift": "early"}],
        "stores": [{"name": "IN718 15-53", "alloy": "IN718", "low_um": 15, "high_um": 53,
                    "stock": [{"mass_kg": 300, "d50_um": 33}]}],
        "machines": [
            {"name": "PBF-LB-01", **printer}, {"name": "PBF-LB-02", **printer},
            {"name": "SINTER-01", "type": "sinter-furnace", "gas": "argon", "setup_h": 0.02,
             "unload_h": 0.02, "programs": [{
                 "name": "bushes", "makes": {"product": "bush"}, "parts": list(fired.parts),
                 "unit": fired.unit, "recipe": fired.recipe}]}],
        "orders": [{"product": "block", "quantity": 3}, {"product": "bush"}],
    }
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    security(folder)
    return folder


@pytest.fixture(scope="module")
def at_once(plan: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summaries, by name, of the works run as fast as it can."""
    record = tmp_path_factory.mktemp("fast") / "run"
    code, lines, err = run_amtwin(
        "run", "--plant", plan, "--speed", "max", "--offline", "--json", "--seed", "3",
        "--until", str(UNTIL), "--record", record, home=home)
    assert code == 0, err
    return {line["name"]: line for line in lines if line["event"] == "summary"}


def _live(plan: Path, home: Path, record: Path, speed: float, until: str) -> Amtwin:
    return Amtwin(
        "run", "--plant", plan, "--speed", str(speed), "--json", "--seed", "3", "--until",
        until, "--opcua-port", "0", "--modbus-port", "0", "--record", record, home=home)


def _mbpoll(port: str, unit: int, table: str, address: int, count: int) -> list[int]:
    done = subprocess.run(
        ["mbpoll", "-m", "tcp", "-p", port, "-a", str(unit), "-0", "-1", "-r", str(address),
         "-t", table, "-c", str(count), "127.0.0.1"],
        capture_output=True, text=True, timeout=30)
    shown = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("[")]
    assert shown, done.stdout + done.stderr
    return [int(text, 0) for text in shown]


def _visit(wanted: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(NODE_FOLDER / "opcua_client.js"), json.dumps(wanted)],
        capture_output=True, text=True, timeout=90, env=environment)
    assert done.returncode == 0, done.stderr
    (line,) = [text for text in done.stdout.splitlines() if text.startswith('{"report"')]
    report: dict[str, Any] = json.loads(line)["report"]
    return report


@pytest.mark.timeout(300)
@pytest.mark.foreign("node-opcua-client")
@pytest.mark.foreign("mbpoll")
def test_live_at_60_times_read_by_foreign_clients(
    plan: Path, home: Path, tmp_path: Path, node_environment: dict[str, str]
) -> None:
    running = _live(plan, home, tmp_path / "run", SPEED, "forever")
    names = ["WORKS", "PBF-LB-01", "PBF-LB-02", "SINTER-01"]
    ready = [running.ready() for _ in names]
    assert [r["name"] for r in ready] == names
    assert [r["unit"] for r in ready] == [1, 2, 3, 4]
    assert len({r["opcua"] for r in ready}) == 1
    assert len({r["modbus"] for r in ready}) == 1
    port = ready[0]["modbus"].rpartition(":")[2]
    shown = {n: "Orders.Open" if n == "WORKS" else "Machine.State" for n in names}
    with ThreadPoolExecutor() as pool:
        visits = pool.map(lambda told: _visit({
            "url": told["opcua"], "machine": told["name"], "user": "olive", "password": PASSWORD,
            "pki": str(tmp_path / told["name"]),
            "values": [f"nsu=urn:amtwin:{told['name']};s={told['name']}.{shown[told['name']]}"],
        }, node_environment), ready)
        seen_by_name = dict(zip(names, visits, strict=True))
    for told in ready:
        unit, seen, path = told["unit"], seen_by_name[told["name"]], shown[told["name"]]
        assert seen["machinesNamespace"]
        (value,) = seen["subscribed"].values()
        assert value["status"] == "Good"
        place = load_table(told["machine"]).locate(path).read
        assert place is not None
        high, low = _mbpoll(port, unit, "3:hex", place.address, 2)
        # A machine that runs is in some state: 0 would be off.
        assert (0 if told["name"] == "WORKS" else 1) <= (high << 16) + low <= 9
    running.process.terminate()
    code, lines, err = running.finish(120)
    assert code == 0, err
    works = next(line for line in lines if line["event"] == "summary")
    assert works["simulated_s"] > 300
    # As fast as it can, it does the same.
    code, replayed, err = run_amtwin("replay", tmp_path / "run", "--json", home=home)
    assert code == 0, err
    assert replayed[0]["replayed"] == works["works_hash"]


def test_its_orders_are_done_and_nothing_is_lost(at_once: dict[str, Any]) -> None:
    works = at_once["WORKS"]
    assert (works["orders_done"], works["parts"]) == (1, 3)
    assert works["parts_rejected"] >= 1, "the hasty furnace leaves its parts porous"
    assert abs(works["balance"]) < 1e-9
    metered = sum(s["consumption"]["energy_kwh"] for n, s in at_once.items() if n != "WORKS")
    assert works["energy_kwh"] == pytest.approx(metered, abs=0.01)


@pytest.mark.slow
def test_it_replays(at_once: dict[str, Any], home: Path) -> None:
    code, lines, err = run_amtwin("replay", at_once["WORKS"]["record"], "--json", home=home)
    assert code == 0, err
    assert lines[0]["same"]


@pytest.mark.slow
def test_a_power_cut_loses_nothing(
    plan: Path, home: Path, at_once: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    running = _live(plan, home, folder, 100, str(UNTIL))
    running.ready()
    time.sleep(8.0)
    running.kill()
    code, lines, err = run_amtwin(
        "run", "--resume", folder, "--speed", "max", "--offline", "--json", "--until", str(UNTIL),
        home=home)
    assert code == 0, err
    found = {line["name"]: line for line in lines if line["event"] == "summary"}
    assert found["WORKS"]["works_hash"] == at_once["WORKS"]["works_hash"]

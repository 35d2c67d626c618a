"""The dispatcher of a works with machines that are clocks: what it starts, pauses and counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.controllers.states import MachineState
from emulators.works.report import figures, sheet
from plc_interfaces.host import Act, ActKind
from tests.works_bench import HOUR, PLAN, Bench
from twin.powder.lot import PowderLot
from twin.signals import Kind, Refused
from twin.works.account import Footprint

QUIET = PLAN.replace("between_failures_h = 60", "between_failures_h = 0").replace(
    'gas = "argon"\n  [[', 'gas = "argon"\nupkeep = { between_failures_h = 0 }\n  [[')
"""Without failures."""
STEEL = """
[[stores]]
name = "steel"
alloy = "316L"
process = "pbf-lb"
stock = [{ mass_kg = 90, d50_um = 34 }]
reorder_kg = 500
buys = { mass_kg = 40, d50_um = 34, lead_time_h = 8 }

[[machines]]"""
"""Another powder that can be taken by mistake."""


def test_orders_become_parts_through_powder_and_furnace(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.run(48)
    told = figures(bench.emulator)
    assert (told["orders_done"], told["orders_open"], told["shipped"]) == (2, 1, 12)
    # Two jobs of two green rings fed one furnace job of four.
    jobs = [(j.machine, j.program.name) for j in bench.dispatcher.finished]
    assert jobs.count(("LB-02", "green")) == 2
    assert jobs.count(("OVEN-01", "rings")) == 1
    assert told["balance"] < 1e-9
    assert told["worst_operation"] < 1e-9


def test_nobody_starts_a_machine_outside_the_shifts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET.replace('begins = "Mon 06:00"', 'begins = "Sat 06:00"', 1))
    bench.run(47)
    assert bench.works.people.labour == 0
    assert all(m.told == [] for m in bench.machines.values())
    assert "StaffMissing" in bench.active()
    bench.run(50)
    assert "order green" in bench.machines["LB-02"].told


def test_used_powder_is_recycled_analysed_and_released(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.run(120)
    done = [op.name for job in bench.dispatcher.finished for op in job.operations]
    assert "sieve" in done
    lots = [lot for job in bench.dispatcher.finished for op in job.operations
            for lot in op.outputs if isinstance(lot, PowderLot) and op.name == "sieve"]
    again = {lot.id for lot in lots}
    tested = [t for t in bench.works.ledger.lines.values() if t.step == "analysis"]
    assert tested[0].times > 0
    drawn = {i for parents in bench.works.ledger.parents.values() for i in parents}
    assert again & drawn  # recycled powder went into later jobs


def test_attended_machines_wait_for_a_shift_that_is_long_enough(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.run(120)
    plan = bench.plan.start
    line = [j for j in bench.dispatcher.finished if j.machine == "LINE-01"]
    assert line
    for job in line:
        assert job.started is not None
        clock = (job.started + plan) / HOUR % 24
        assert 6 <= clock <= 16  # six hours before the late shift ends


POWER = st.sampled_from([9.0, 14.0, 17.5, 26.0])


@settings(max_examples=6, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=POWER, seed=st.integers(0, 5))
def test_dispatch_never_exceeds_the_power_limit(tmp_path: Path, limit: float, seed: int) -> None:
    bench = Bench(tmp_path, PLAN.replace("power_limit_kw = 20.0", f"power_limit_kw = {limit}"),
                  seed)
    bench.run(72)
    assert bench.works.mains.peak <= limit * 1e3
    started = [m for m in bench.machines.values() if any("order" in t for t in m.told)]
    # One machine at work beside three that stand needs 9.5 kW.
    assert bool(started) == (limit > 9.5)
    if limit < 17:
        assert bench.works.mains.peak <= 8e3 + 3 * 500


def test_jobs_that_wait_for_power_raise_an_alarm(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET.replace("power_limit_kw = 20.0", "power_limit_kw = 10.0"))
    bench.run(3)
    assert "PowerLimit" in bench.active()
    assert bench.dispatcher.shown["LB-01"].waits_for == "power"


def test_no_job_starts_beyond_the_cooling_capacity(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET.replace("cooling_kw = 30.0", "cooling_kw = 7.0"))
    bench.run(24)
    assert bench.works.mains.peak * 0.7 <= 7e3


def test_fault_gas_runs_out_then_jobs_pause_and_go_on(tmp_path: Path) -> None:
    text = QUIET.replace("start_m3 = 400", "start_m3 = 23").replace("reserve_m3 = 20",
                                                                   "reserve_m3 = 1")
    bench = Bench(tmp_path, text)
    bench.fault("Gas1.Leak", 2.0)
    bench.run(5)
    assert bench.machines["LB-02"].state is MachineState.BUILDING
    assert "GasLow" in bench.active()
    bench.run(8)
    machine = bench.machines["LB-02"]
    assert "GasEmpty" in bench.active()
    assert machine.state is MachineState.HELD
    assert machine.told == ["order green", "pause"]
    assert bench.machines["LB-01"].told in (["order pins", "pause"], [])
    bench.fault("Gas1.Leak", 0.0)
    bench.run(26)  # delivered a day after it was ordered
    assert machine.told[:3] == ["order green", "pause", "resume"]
    assert "GasEmpty" not in bench.active()
    bench.run(40)
    assert not any(j.failed for j in bench.dispatcher.finished)


def test_fault_mains_lost_stops_all_and_what_can_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.run(3)
    bench.fault("Mains.Lost", True)
    bench.run(4)
    assert "MainsLost" in bench.active()
    machine = bench.machines["LB-02"]
    assert machine.state is MachineState.SUSPENDED
    assert "resume" not in machine.told
    bench.fault("Mains.Lost", False)
    bench.run(4.1)
    assert machine.told == ["order green", "power False", "power True", "resume"]
    assert machine.state is MachineState.BUILDING
    # Machines that stood are made safe again, so that they can be started.
    assert bench.machines["OVEN-01"].told == ["power False", "power True", "clear"]
    assert all(m.safe for m in bench.machines.values())


def test_fault_water_warm_pauses_jobs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET.replace("cooling_kw = 30.0", "cooling_kw = 14.5"))
    bench.run(3)
    bench.fault("ChilledWater.CapacityLoss", 100.0)
    bench.run(6)
    assert "pause" in bench.machines["LB-02"].told
    bench.fault("ChilledWater.CapacityLoss", 0.0)
    bench.run(8)
    assert bench.machines["LB-02"].told.count("resume") >= 1
    assert "WaterWarm" not in bench.active()


def test_fault_breakdown_is_repaired_by_a_mechanic_and_the_job_goes_on(tmp_path: Path) -> None:
    text = QUIET.replace("between_failures_h = 0", "fatal_share = 0, between_failures_h = 0")
    bench = Bench(tmp_path, text)
    bench.run(3)
    bench.fault("Machine2.Breakdown", True)
    bench.run(7)
    machine = bench.machines["LB-02"]
    assert "MachineDown" in bench.active()
    assert machine.told == ["order green", "pause"]  # the mechanic comes at 14:00
    assert bench.dispatcher.way("LB-02") == "failed"
    bench.run(24)
    assert machine.told[:3] == ["order green", "pause", "resume"]
    assert bench.works.ledger.lines["LB-02", "repair"].spent.labour > 0


def test_fault_fatal_breakdown_loses_the_job_and_it_is_done_again(tmp_path: Path) -> None:
    text = QUIET.replace("between_failures_h = 0", "fatal_share = 1, between_failures_h = 0")
    bench = Bench(tmp_path, text)
    bench.run(3)
    bench.fault("Machine2.Breakdown", True)
    bench.run(3.1)
    assert bench.machines["LB-02"].told == ["order green", "abort"]
    bench.run(60)
    told = figures(bench.emulator)
    assert told["jobs_failed"] == 1
    assert told["balance"] < 1e-9
    greens = [j for j in bench.dispatcher.finished if j.program.name == "green"]
    assert [j.failed for j in greens][:1] == [True]
    assert sum(not j.failed for j in greens) >= 2


def test_planned_maintenance_comes_between_jobs(tmp_path: Path) -> None:
    text = QUIET.replace("service_every_h = 100", "service_every_h = 5")
    bench = Bench(tmp_path, text)
    bench.run(48)
    told = bench.machines["LB-01"].told
    assert told.index("maintain True") > told.index("order pins")
    assert "maintain False" in told
    assert bench.dispatcher.used(bench.emulator.time)["LB-01"]["service"] > 4 * HOUR - 1


def test_fault_absence_pauses_what_must_be_attended(tmp_path: Path) -> None:
    text = QUIET.replace(
        'holds = "used powder"', 'holds = "used powder"\nstock = [{ mass_kg = 20, '
                         'd50_um = 34 }]').replace("_kw = 20.0", "_kw = 40.0")
    bench = Bench(tmp_path, text)
    bench.run(5)
    line = bench.machines["LINE-01"]
    assert line.state is MachineState.BUILDING
    bench.fault("People.Absent", 2)
    bench.run(5.1)
    assert line.told[-1] == "pause"
    bench.run(6)
    assert "StaffMissing" in bench.active()
    bench.fault("People.Absent", 0)
    bench.run(6.1)
    assert line.told[-1] == "resume"


def test_a_machine_that_stops_by_itself_is_looked_at(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.run(3)
    machine = bench.machines["LB-02"]
    machine.pause()
    bench.fault("Machine1.Frailty", 1.0)  # any reason to look
    bench.run(3.4)
    assert machine.told[-1] == "pause"
    bench.run(4.5)
    assert machine.told[-1] == "resume"


def test_fault_mixed_up_powder_ends_as_scrap_of_the_laboratory(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET.replace("\n[[machines]]", STEEL, 1))
    bench.fault("Store4.MixedUp", True)
    bench.run(0.5)
    first = bench.dispatcher.jobs["LB-02"].things[0]
    assert isinstance(first, PowderLot)
    assert first.alloy == "316L"
    bench.fault("Store4.MixedUp", False)
    bench.run(24)
    # What came back of it has no place among the titanium.
    assert {lot.alloy for lot in bench.works.stores["Ti64 used"].lots()} <= {"Ti-6Al-4V"}
    assert bench.works.close() < 1e-9


def test_material_that_a_machine_refuses_goes_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.machines["LB-01"].refuses = "LB-01: the lot is on hold"
    bench.run(48)
    assert [t for t in bench.machines["LB-01"].told if t.startswith("order")] == []
    assert figures(bench.emulator)["jobs_failed"] == 3
    assert figures(bench.emulator)["shipped"] >= 10  # the other machine does it
    assert bench.works.close() < 1e-9


def test_orders_can_be_added_ranked_and_cancelled(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.run(1)
    number = bench.call("Orders.AddOrder", "pin", 3, 24.0)
    assert number == "3"
    assert bench.call("Orders.Priority", 3, 1) == "3"
    assert bench.dispatcher.book.open()[0].number == 3
    assert bench.call("Orders.Cancel", 3) == "3"
    for path, arguments, message in (
        ("Orders.AddOrder", ("bolt", 1, 24.0), "no product 'bolt'; there are: ring"),
        ("Orders.AddOrder", ("pin", 0, 24.0), "quantity takes 1 to 100000"),
        ("Orders.AddOrder", ("pin", 1, 0.0), "due takes hours above 0"),
        ("Orders.Cancel", (9,), "no open order 9"),
        ("Orders.Priority", (1, 12), "priority takes 1 to 9"),
    ):
        with pytest.raises(Refused, match=message):
            bench.call(path, *arguments)


def test_late_orders_raise_an_alarm(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET.replace("quantity = 6", "quantity = 6\ndue_h = 10"))
    bench.run(10)
    assert "OrderLate" not in bench.active()
    bench.run(10.1)
    assert "OrderLate" in bench.active()
    assert bench.dispatcher.orders.late == 1


def test_no_new_jobs_while_they_are_not_released(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.dispatcher.dispatch.release_jobs = False
    bench.run(24)
    assert bench.dispatcher.jobs == {}
    assert bench.works.people.labour == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_works_does_the_same_however_often_it_is_looked_at(tmp_path: Path, seed: int) -> None:
    text = PLAN.replace("between_failures_h = 60", "between_failures_h = 8")

    def run(every: float) -> tuple[str, int]:
        bench = Bench(tmp_path, text, seed)
        bench.fault("Gas1.Leak", 8.0)
        hours = 0.0
        while hours < 40:
            hours = min(hours + every, 40)
            bench.run(hours)
        return bench.emulator.trace.hexdigest, bench.emulator.alarm_count

    first = run(40.0)
    assert run(0.35) == first
    assert first[1] > 0


def test_every_alarm_says_what_to_do(tmp_path: Path) -> None:
    for alarm in Bench(tmp_path).dispatcher.alarms.values():
        assert alarm.definition.cause
        assert alarm.definition.consequence
        assert alarm.definition.response


def test_the_report_closes_energy_and_elements(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(96)
    text = sheet(bench.emulator)
    for title in ("Orders", "Shipped parts", "Use of machines", "Stores", "Lots in store",
                  "Ledger by step", "Balance of elements"):
        assert f"## {title}" in text
    line = next(row for row in text.splitlines() if row.startswith("Steps together"))
    steps, metered = [float(w) for w in line.split() if w[0].isdigit()][:2]
    assert steps == pytest.approx(metered, rel=1e-9, abs=1e-3)
    used = bench.dispatcher.used(bench.emulator.time)
    for ways in used.values():
        assert sum(ways.values()) == pytest.approx(96 * HOUR, abs=1.0)


@pytest.mark.parametrize(("porosity", "oxygen", "why"), [
    (0.02, 1100, "porosity 2.00 %, allowed 1 %"),
    (0.001, 2100, "oxygen 2100 ppm, allowed 2000 ppm")])
def test_a_bad_part_is_rejected_and_made_again(
    tmp_path: Path, porosity: float, oxygen: float, why: str
) -> None:
    bench = Bench(tmp_path, QUIET.replace("oxygen_ppm = 1100", f"oxygen_ppm = {oxygen}"))
    told: list[str] = []
    bench.dispatcher.material._say = lambda source, message, **_: told.append(message)
    for machine in bench.machines.values():
        machine.porosity = porosity
    bench.run(9)
    figures_then = figures(bench.emulator)
    assert figures_then["parts"] == 0
    assert figures_then["parts_rejected"] >= 2
    assert any(why in message for message in told)
    for machine in bench.machines.values():
        machine.porosity = 0.001
    if oxygen < 2000:
        bench.run(48)
        assert figures(bench.emulator)["shipped"] >= 6
    assert bench.works.stores["scrap"].items("part")
    assert bench.works.close() < 1e-9


POOR = QUIET.replace('used = "Ti64 used"\n', "").replace(
    "oxygen_ppm = 1100, lots = 2", "oxygen_ppm = 1100").replace(
    'holds = "used powder"', 'holds = "used powder"\nstock = [{ mass_kg = 15, d50_um = 34, '
    'oxygen_ppm = 1985, lots = 8 }]').replace("_kw = 20.0", "_kw = 60.0")
"""Used powder whose oxygen is too near the limit to be released, and no way back for it."""


def test_powder_that_fails_again_and_again_is_made_no_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path, POOR.replace("reorder_kg = 30", "reorder_kg = 60"))
    bench.run(24 * 4)
    assert "LotOnHold" in bench.active()
    assert "PowderStopped" in bench.active()
    assert bench.dispatcher.dispatch.on_hold > 15.0
    made = len([j for j in bench.dispatcher.finished if j.machine == "LINE-01"])
    assert bench.call("Dispatch.TryAgain") == "LINE-01: recycle"
    bench.run(24 * 6)
    assert len([j for j in bench.dispatcher.finished if j.machine == "LINE-01"]) > made


def test_a_client_dispatches_by_itself(tmp_path: Path) -> None:
    """With the dispatcher's own jobs off it does what it is told, and nothing else."""
    bench = Bench(tmp_path, QUIET)
    bench.emulator.submit(Act(ActKind.WRITE, "Dispatch.ReleaseJobs", False))
    bench.run(1)
    assert not bench.dispatcher.jobs
    job = bench.call("Dispatch.StartJob", "LB-02", "green")
    assert bench.dispatcher.jobs["LB-02"].id == job
    for machine, program, why in (
            ("LB-02", "pins", f"LB-02 has {job}"), ("LB-09", "pins", "no machine 'LB-09'"),
            ("LB-01", "green", "LB-01 has no program 'green'; it has: pins"),
            ("OVEN-01", "rings", "rings lacks green ring: 0 of 4")):
        with pytest.raises(Refused, match=re.escape(why)):
            bench.call("Dispatch.StartJob", machine, program)
    bench.run(24)
    bench.call("Dispatch.StartJob", "LB-02", "green")
    bench.run(48)
    bench.call("Dispatch.StartJob", "OVEN-01", "rings")
    bench.run(72)
    names = [(j.machine, j.program.name) for j in bench.dispatcher.finished]
    assert names == [("LB-02", "green"), ("LB-02", "green"), ("OVEN-01", "rings")]
    assert figures(bench.emulator)["shipped"] == 4
    assert_accounts_close(bench)


def assert_accounts_close(bench: Bench) -> None:
    """What parts, stock and losses bear is what steps took, and that is what the meters say."""
    told, works = figures(bench.emulator), bench.works
    ledger, borne = works.ledger, works.ledger.borne(works.things)
    for name, value in ledger.spent.plain().items():
        assert borne.plain()[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name
    under_way = [(after[0] - before[0], after[1] - before[1], works.places[machine].gas)
                 for machine, before in works.charged.items()
                 for after in [works.machines[machine].read_meters()]]
    running = Footprint.total(ledger.rates.spent(energy, gas if kind else 0.0, kind, 0.0)
                              for energy, gas, kind in under_way)
    whole = ledger.spent + running
    assert whole.energy == pytest.approx(works.mains.energy, rel=1e-9)
    assert whole.gas == pytest.approx(sum(tank.taken + tank.missing for tank in
                                          works.gases.values()), rel=1e-9)
    assert whole.water == pytest.approx(works.water.evaporated, rel=1e-9)
    pending = sum(job.labour for job in bench.dispatcher.jobs.values())
    assert whole.labour + pending == pytest.approx(works.people.labour, rel=1e-9)
    assert told["balance"] < 1e-9


@pytest.mark.parametrize(("fault", "until"), [
    (None, 0), (("Mains.Lost", True), 30), (("Gas1.Leak", 60.0), 40), (("People.Absent", 2), 60),
    (("Machine2.Breakdown", True), 8), (("Store4.MixedUp", True), 60)])
def test_what_was_spent_is_borne_by_parts_stock_and_losses(
    tmp_path: Path, fault: tuple[str, object] | None, until: float
) -> None:
    """Energy, gas, water, carbon, labour, money, whatever happens; and all goes on afterwards."""
    text = PLAN.replace("\n[[machines]]", STEEL, 1).replace("between_failures_h = 60",
                                                           "between_failures_h = 20")
    bench = Bench(tmp_path, text)
    bench.run(7)
    if fault is not None:
        bench.fault(*fault)
        bench.run(until)
        assert_accounts_close(bench)
        path, value = fault
        bench.fault(path, type(value)(0))
    bench.run(100)
    assert_accounts_close(bench)
    before = int(bench.dispatcher.orders.parts_shipped)
    bench.run(400)
    assert_accounts_close(bench)
    assert bench.dispatcher.orders.parts_shipped > before > 0


TOPPED = QUIET.replace('takes = [{ store = "Ti64 used", kg = 15 }]', """takes = [
    { store = "Ti64 used", kg = 15 }, { store = "Ti64", kg = 5, top_up = true }]""")
"""Used powder is topped up with what is fresh of the same store."""


def test_a_top_up_takes_fresh_powder_as_far_as_there_is_some(tmp_path: Path) -> None:
    """In the end nothing in the works is fresh: powder goes round without a top-up."""
    bench = Bench(tmp_path, TOPPED.replace("lots = 2", "lots = 3"))
    bench.run(24 * 21)
    line = [j for j in bench.dispatcher.finished if j.machine == "LINE-01"]
    fresh = [[lot.mass for lot in job.things if lot.cycle == 0] for job in line]
    assert max(sum(masses) for masses in fresh) == pytest.approx(5.0)
    assert fresh[-1] == []
    assert not any(job.failed for job in line)
    assert bench.works.stores["Ti64"].available(fresh=True) == 0.0
    assert line[-1].closed is not None
    assert line[-1].closed > 14 * 24 * HOUR
    assert bench.works.close() < 1e-9


def test_powder_that_a_line_did_not_come_to_is_where_it_was(tmp_path: Path) -> None:
    """A top-up does not end among used powder, and says nothing about what the line makes."""
    bench = Bench(tmp_path, TOPPED)
    for hour in range(1, 24 * 5):
        bench.run(hour)
        job = bench.dispatcher.jobs.get("LINE-01")
        if job is not None and job.step == "running":
            break
    assert job is not None
    fresh = {t.id for t in job.things if isinstance(t, PowderLot) and t.cycle == 0}
    used = {t.id for t in job.things} - fresh
    assert fresh
    assert used
    refused = bench.dispatcher.material.laboratory._refused
    refused["LINE-01: recycle"] = 3
    bench.dispatcher.dispatch.release_jobs = False
    bench.machines["LINE-01"].abort()
    while job.closed is None:
        hour += 1
        bench.run(hour)
    assert fresh <= {*bench.works.stores["Ti64"].things}
    assert used <= {*bench.works.stores["Ti64 used"].things}
    assert refused["LINE-01: recycle"] == 3
    assert bench.works.close() < 1e-9


def test_a_line_that_holds_back_all_that_it_makes_is_given_up(tmp_path: Path) -> None:
    """What it holds back is worked up again, but not for ever."""
    bench = Bench(tmp_path, QUIET)
    bench.machines["LINE-01"].verdict = "hold"
    bench.run(24 * 9)
    done = [j for j in bench.dispatcher.finished if j.machine == "LINE-01"]
    assert len(done) == 4
    assert not any(j.failed for j in done)
    assert "PowderStopped" in bench.active()
    bench.machines["LINE-01"].verdict = "released"
    assert bench.call("Dispatch.TryAgain") == "LINE-01: recycle"
    bench.run(24 * 12)
    assert len([j for j in bench.dispatcher.finished if j.machine == "LINE-01"]) > 4
    assert "PowderStopped" not in bench.active()


def test_green_parts_that_a_furnace_does_not_take_are_not_lost(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    bench.machines["OVEN-01"].refuses = "OVEN-01: not these"
    bench.run(40)
    assert [j.failed for j in bench.dispatcher.finished if j.machine == "OVEN-01"] == [True] * 3
    green = bench.dispatcher.material.stock["green ring"]
    assert len(green) == 4
    assert {*green} <= {*bench.works.stores["parts"].things}
    bench.machines["OVEN-01"].refuses = ""
    bench.call("Dispatch.TryAgain")
    bench.run(72)
    assert figures(bench.emulator)["orders_open"] == 1
    assert "OVEN-01" in {j.machine for j in bench.dispatcher.finished if not j.failed}


def test_powder_that_nobody_makes_is_bought_and_looked_at(tmp_path: Path) -> None:
    """Ordered once below its level, delivered after its lead time, released by the laboratory."""
    bench = Bench(tmp_path, QUIET.replace("reorder_kg = 30", "reorder_kg = 70\nbuys = { "
                                          "mass_kg = 25, lots = 2, d50_um = 34, "
                                          "lead_time_h = 30, oxygen_ppm = 800 }"))
    store = bench.works.stores["Ti64"]
    bench.run(24)
    assert store.on_order == 50.0
    bench.run(24 * 4)
    assert store.bought == 50.0
    bought = [lot for lot in store.lots() if "oxygen" in lot.measured and lot.cycle == 0]
    assert bought
    assert all(lot.status == "released" for lot in bought)
    received = sum(bench.works.ledger.received.values())
    assert received == pytest.approx(80.0 + 50.0, rel=1e-3)
    assert bench.works.close() < 1e-9


def test_powder_is_sold_when_there_is_enough_of_it(tmp_path: Path) -> None:
    """An order of the plan and one over the wires; nothing of it is lost on the way."""
    sold = QUIET.replace("reorder_kg = 30", "reorder_kg = 30\nsells = true") + """
[[orders]]
product = "Ti64"
quantity = 15
due_h = 20
"""
    bench = Bench(tmp_path, sold)
    bench.run(24)
    shipped = [thing for name, _, _, thing in bench.dispatcher.material.delivered.values()
               if name == "Ti64"]
    assert sum(lot.mass for lot in shipped) == pytest.approx(15.0, abs=1e-3)
    number = int(bench.call("Orders.AddOrder", "Ti64", 500, 100.0))
    bench.run(24 * 6)
    order = bench.dispatcher.book.orders[number]
    assert order.open
    assert order.delivered == 0
    assert "OrderLate" in bench.active()
    assert bench.works.close() < 1e-9
    assert "Shipped powder" in sheet(bench.emulator)


def test_somebody_decides_on_a_lot_that_is_on_hold(tmp_path: Path) -> None:
    bench = Bench(tmp_path, POOR.replace("reorder_kg = 30", "reorder_kg = 60"))
    bench.run(24 * 4)
    first, second = [lot.id for lot in bench.dispatcher.material.laboratory.held()][:2]
    assert bench.call("Dispatch.DecideLot", first, True) == "Ti64"
    assert bench.call("Dispatch.DecideLot", second, False) == "scrap"
    with pytest.raises(Refused, match=f"no lot '{second}' is on hold"):
        bench.call("Dispatch.DecideLot", second, True)
    assert bench.works.stores["Ti64"].things[first].status == "released"
    assert bench.works.stores["scrap"].things[second].status == "scrap"
    bench.run(24 * 8)
    assert first not in bench.works.stores["Ti64"].things, "it was used"
    assert_accounts_close(bench)


FAULTS = {
    "Mains.Lost": True, "ChilledWater.CapacityLoss": 100.0, "People.Absent": 1, "Gas1.Late": 24.0,
    "Gas1.Leak": 30.0, "Store6.Late": 24.0, "Store4.MixedUp": True, "Machine2.Breakdown": True,
    "Machine2.Frailty": 50.0,
}


def test_no_signal_for_nothing(tmp_path: Path) -> None:
    """Every reading and state moves, every alarm comes, every fault changes a run."""
    still = {p for p in Bench(tmp_path).emulator.table if p.endswith((".Name", "Simulation"))}
    moved: set[str] = set()
    came: set[str] = set()
    hashes: dict[str, str] = {}

    def watch(name: str, text: str, fault: tuple[str, object] | None, hours: float) -> None:
        bench = Bench(tmp_path, text)
        emulator = bench.emulator
        first = list(emulator.shown.values())
        bench.machines["LB-02"].porosity = 0.05 if name == "poor" else 0.001
        for step in range(1, round(hours) + 1):
            if fault is not None and step == 4:
                bench.fault(*fault)
            bench.run(step)
            moved.update(path for path, before, now in
                         zip(emulator.table, first, emulator.shown.values(), strict=True)
                         if before != now)
        came.update(path for path, a in bench.dispatcher.alarms.items() if a.raised_at >= 0)
        hashes[name] = emulator.trace.hexdigest

    text = PLAN.replace("\n[[machines]]", STEEL, 1).replace(
        "start_m3 = 400", "start_m3 = 160").replace("cooling_kw = 30.0", "cooling_kw = 15.0")
    watch("none", text, None, 40)
    for path, value in FAULTS.items():
        watch(path, text, (path, value), 40)
    assert len(set(hashes.values())) == len(hashes)
    watch("poor", POOR.replace("quantity = 6", "quantity = 6\ndue_h = 10").replace(
        "reorder_kg = 30", "reorder_kg = 60"), ("Gas1.Leak", 60.0), 96)
    watch("served", QUIET.replace("power_limit_kw = 20.0", "power_limit_kw = 10.0").replace(
        "service_every_h = 100", "service_every_h = 5"), None, 60)
    watch("fatal", PLAN.replace("between_failures_h = 60", "fatal_share = 1, "
                                "between_failures_h = 5"), None, 40)
    bench = Bench(tmp_path)
    assert came == set(bench.dispatcher.alarms)
    shown = {s.path for s in bench.emulator.table.of_kind(Kind.MEASURED, Kind.STATUS)}
    # Of several machines, stores and stations it is enough that one of them moved.
    kinds = {_kind(path) for path in shown - still}
    assert kinds - {_kind(path) for path in moved} == set()


def _kind(path: str) -> str:
    return re.sub(r"\d+\.", "#.", path)


def test_a_job_that_somebody_else_orders_of_a_machine_is_accounted_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET.replace("every_h = 48", "first_h = 30").replace(
        "every_h = 96", "first_h = 30"))
    machine = bench.machines["LB-01"]
    own = PowderLot.virgin("OWN", "Ti-6Al-4V", 5.0, 34e-6, 1.35, status="released")
    machine.supply("own", [own])
    machine.order("own", "own")
    bench.run(20)
    assert machine.state is MachineState.FINISHED
    assert {t.kind for t in bench.works.at["LB-01"].values() if not isinstance(t, PowderLot)} \
        == {"part"}
    bench.run(60)
    assert bench.works.stores["residues"].lots()
    assert any(i.alloy == "Ti-6Al-4V" for i in bench.works.stores["parts"].items("part"))
    assert bench.works.ledger.received["Ti"] > 80 * 0.89 + 5 * 0.89
    assert bench.works.close() < 1e-9


def test_powder_that_an_order_waits_for_comes_before_what_only_fills_a_store(
    tmp_path: Path,
) -> None:
    text = PLAN.replace("mass_kg = 40", "mass_kg = 15").replace("lots = 2", "lots = 1").replace(
        "reorder_kg = 30\n", "")
    bench = Bench(tmp_path, text)
    bench.run(0.1)
    wishes = bench.dispatcher.material.wishes([])
    powder = [w.rank for w in wishes if w.store == "Ti64"]
    assert next(w.rank for w in wishes if w.product == "pin") in powder

"""The views of one controller state, and the life of job orders."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulators.controllers.jobs import JobControl
from emulators.controllers.states import JobState, MachineState, views
from twin.signals import Refused

WISHES = {"pause", "resume", "stop", "abort"}


@pytest.mark.parametrize("state", list(MachineState))
def test_views_agree_with_each_other(state: MachineState) -> None:
    seen = views(state)
    assert 0 <= seen.machinery_item <= 3
    assert 0 <= seen.operation_mode <= 3
    assert 0 <= seen.machine_tool_mode <= 5
    assert 0 <= seen.program <= 4
    running = seen.job is JobState.RUNNING
    assert (seen.machinery_item == 3) == running
    assert (seen.program in (0, 1)) == running
    assert (seen.program == 3) == (seen.job is JobState.INTERRUPTED)
    assert (seen.program == 4) == (seen.job is JobState.ABORTED) == (seen.packml == "ABORTED")
    assert (seen.operation_mode == 1) == (state is MachineState.MAINTENANCE)
    assert (seen.machinery_item == 0) == (state is MachineState.OFF)
    highest = {JobState.INTERRUPTED: 2, JobState.ENDED: 2, JobState.RUNNING: 0,
               JobState.ABORTED: 0, JobState.NONE: 0}
    assert seen.job_substate <= highest.get(seen.job, 3)


def test_held_and_suspended_differ_where_isa_95_says() -> None:
    held, suspended = views(MachineState.HELD), views(MachineState.SUSPENDED)
    assert (held.job_substate, suspended.job_substate) == (1, 2)
    assert held.packml != suspended.packml


ALLOWED = {
    "start": {JobState.NOT_ALLOWED_TO_START},
    "revoke_start": {JobState.ALLOWED_TO_START},
    "cancel": {JobState.NOT_ALLOWED_TO_START, JobState.ALLOWED_TO_START},
    "clear": {JobState.ENDED, JobState.ABORTED},
    "pause": {JobState.RUNNING},
    "resume": {JobState.INTERRUPTED},
    "stop": {JobState.RUNNING, JobState.INTERRUPTED},
    "abort": {JobState.NOT_ALLOWED_TO_START, JobState.ALLOWED_TO_START, JobState.RUNNING,
              JobState.INTERRUPTED},
}
AFTER = {"start": JobState.ALLOWED_TO_START, "revoke_start": JobState.NOT_ALLOWED_TO_START}
STATES = [s for s in JobState if s is not JobState.NONE]


def control_with(state: JobState, hindrance: str = "") -> JobControl:
    control = JobControl(
        lambda: ["plate", "cube"], lambda wish: "" if wish.startswith("start ") else hindrance)
    control.store("J", "cube")
    if state is not JobState.NOT_ALLOWED_TO_START:
        control.start("J")
        assert control.take() is not None
        control.show(state, 0)
    return control


def orders(control: JobControl) -> dict[str, Any]:
    return {o["id"]: o for o in json.loads(control.orders)}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", ALLOWED)
def test_every_command_in_every_state(command: str, state: JobState) -> None:
    control = control_with(state)
    before = control.orders
    if state not in ALLOWED[command]:
        with pytest.raises(Refused, match=state.name.lower()):
            getattr(control, command)("J")
        assert control.orders == before
        assert not control.wishes
        return
    assert getattr(control, command)("J") == "J"
    if command in ("cancel", "clear"):
        assert orders(control) == {}
    elif command == "abort" and state in (JobState.NOT_ALLOWED_TO_START, JobState.ALLOWED_TO_START):
        assert orders(control)["J"]["state"] == JobState.ABORTED
    elif command in WISHES:
        assert control.wishes == [command]
        assert control.orders == before, "the machine changes its state, not the command"
    else:
        assert orders(control)["J"]["state"] == AFTER[command]


@pytest.mark.parametrize("command", [*ALLOWED, "update"])
def test_unknown_orders_are_refused(command: str) -> None:
    control = control_with(JobState.NOT_ALLOWED_TO_START)
    more = ("cube",) if command == "update" else ()
    with pytest.raises(Refused, match="no job order 'X'"):
        getattr(control, command)("X", *more)


def test_what_hinders_is_told_to_the_caller() -> None:
    control = control_with(JobState.INTERRUPTED, "oxygen above the limit")
    with pytest.raises(Refused, match="no resume: oxygen above the limit"):
        control.resume("J")
    assert not control.wishes


def test_a_job_that_cannot_begin_is_not_stored() -> None:
    control = JobControl(lambda: ["cube"], lambda _: "the lot is on hold")
    with pytest.raises(Refused, match="no start: the lot is on hold"):
        control.store_and_start("J", "cube")
    assert orders(control) == {}


@pytest.mark.parametrize(
    ("order", "name", "message"),
    [
        ("", "cube", "1 to 64 bytes"),
        ("x" * 65, "cube", "1 to 64 bytes"),
        ("J", "cube", "exists already"),
        ("K", "cylinder", "no program 'cylinder'; known: plate, cube"),
    ],
)
def test_orders_that_cannot_be_stored(order: str, name: str, message: str) -> None:
    control = control_with(JobState.NOT_ALLOWED_TO_START)
    with pytest.raises(Refused, match=message):
        control.store(order, name)
    assert list(orders(control)) == ["J"]


def test_the_list_is_bounded() -> None:
    control = JobControl(lambda: ["cube"], lambda _: "")
    for i in range(control.LIMIT):
        control.store(f"{i}", "cube")
    with pytest.raises(Refused, match="holds 100 orders"):
        control.store("one more", "cube")


def test_the_list_fits_its_signal() -> None:
    longest = "p" * 64
    control = JobControl(lambda: ["cube", longest], lambda _: "")

    def fill() -> None:
        for i in range(control.LIMIT):
            control.store(f'{i:060d}"\u00e4"', longest)

    with pytest.raises(Refused, match="list of job orders is full"):
        fill()
    assert len(control.orders.encode()) <= JobControl.signals["orders"].length
    assert 50 < len(orders(control)) < control.LIMIT


def test_orders_are_taken_first_come_first_served() -> None:
    control = JobControl(lambda: ["plate", "cube"], lambda _: "")
    for name in "ABC":
        control.store(name, "cube")
    control.start("C")
    control.start("B")
    control.update("B", "plate")
    taken = control.take()
    assert taken is not None
    assert (taken.id, control.program, control.number) == ("B", "plate", 1)


def test_orders_cross_a_snapshot() -> None:
    control = control_with(JobState.RUNNING)
    control.pause("J")
    kept = json.loads(json.dumps(control.keep()))
    other = JobControl(lambda: ["plate", "cube"], lambda _: "")
    other.restore(kept)
    assert other.orders == control.orders
    assert other.wishes == ["pause"]

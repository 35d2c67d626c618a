"""One controller state and the state models that clients see, as one pure function."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["JobState", "MachineState", "Views", "views"]


class MachineState(IntEnum):
    """State of a machine's controller."""

    OFF = 0
    IDLE = 1
    PREPARING = 2
    BUILDING = 3
    HELD = 4
    SUSPENDED = 5
    COMPLETING = 6
    FINISHED = 7
    ABORTED = 8
    MAINTENANCE = 9


class JobState(IntEnum):
    """ISA-95 job order state numbers (OPC 10031-4)."""

    NONE = 0
    NOT_ALLOWED_TO_START = 1
    ALLOWED_TO_START = 2
    RUNNING = 3
    INTERRUPTED = 4
    ENDED = 5
    ABORTED = 6


class Views(NamedTuple):
    """The state as each companion specification numbers it."""

    machinery_item: int
    """OPC 40001-1: 0 NotAvailable, 1 OutOfService, 2 NotExecuting, 3 Executing."""
    operation_mode: int
    """OPC 40001-1: 0 None, 1 Maintenance, 2 Setup, 3 Processing."""
    machine_tool_mode: int
    """OPC 40501-1: 0 Manual, 1 Automatic, 2 Setup, 3 AutoWithManualIntervention, 4 Service."""
    program: int
    """OPC 40501-1: 0 Initializing, 1 Running, 2 Ended, 3 Interrupted, 4 Aborted."""
    job: JobState
    job_substate: int
    """NotAllowedToStart/AllowedToStart: 1 Waiting 2 Ready 3 Loaded; Interrupted: 1 Held
    2 Suspended; Ended: 1 Completed 2 Closed; else 0."""
    packml: str


_VIEWS: dict[MachineState, Views] = {
    MachineState.OFF: Views(0, 0, 5, 2, JobState.NONE, 0, "STOPPED"),
    MachineState.IDLE: Views(2, 3, 1, 2, JobState.ALLOWED_TO_START, 2, "IDLE"),
    MachineState.PREPARING: Views(3, 3, 1, 0, JobState.RUNNING, 0, "STARTING"),
    MachineState.BUILDING: Views(3, 3, 1, 1, JobState.RUNNING, 0, "EXECUTE"),
    MachineState.HELD: Views(2, 3, 3, 3, JobState.INTERRUPTED, 1, "HELD"),
    MachineState.SUSPENDED: Views(2, 3, 3, 3, JobState.INTERRUPTED, 2, "SUSPENDED"),
    MachineState.COMPLETING: Views(3, 3, 1, 1, JobState.RUNNING, 0, "COMPLETING"),
    MachineState.FINISHED: Views(2, 3, 1, 2, JobState.ENDED, 1, "COMPLETE"),
    MachineState.ABORTED: Views(1, 3, 1, 4, JobState.ABORTED, 0, "ABORTED"),
    MachineState.MAINTENANCE: Views(1, 1, 4, 2, JobState.NOT_ALLOWED_TO_START, 1, "STOPPED"),
}


def views(state: MachineState) -> Views:
    """The state models of Machinery, machine tool, ISA-95 jobs and PackML for one state."""
    return _VIEWS[state]

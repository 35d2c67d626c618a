"""A machine in this process as a `Device`, without a wire, for a user with a role."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from plc_interfaces.host import Act, ActKind, Host, Role, Update, role_to_write
from plc_interfaces.tables import table_of
from twin.image import Frame, Quality, Sample, Subscription
from twin.signals import Kind, Refused, SignalTable, Value

__all__ = ["LocalDevice"]


class LocalDevice:
    """See `twin.image.Device`. Like on a wire, faults of the plant cannot be seen."""

    def __init__(self, host: Host, user: str = "local", role: Role = Role.ENGINEER) -> None:
        self._host = host
        self._user = user
        self._role = role
        self._table = table_of(s for s in host.table.values() if s.kind is not Kind.FAULT)
        self._following: set[_Following] = set()

    @property
    def table(self) -> SignalTable:
        """The machine's signals."""
        return self._table

    async def read(self, path: str) -> Sample:
        """The value in the newest frame."""
        return _sample(self._host.frame(), self._index(path))

    async def write(self, path: str, value: Value) -> None:
        """Write and wait until it is applied at a scan; `Refused` if it is not accepted."""
        await self._submit(Act(ActKind.WRITE, path, value, self._user))

    async def call(self, path: str, *arguments: Value) -> str:
        """Call a command and wait for its answer; `Refused` if it is not accepted."""
        answer = await self._submit(Act(ActKind.CALL, path, list(arguments), self._user))
        return "" if answer is None else str(answer)

    async def subscribe(
        self, paths: Sequence[str], callback: Callable[[str, Sample], None], period: float = 0.1
    ) -> Subscription:
        """Follow published scans; changes within `period` s are told once, with the last value."""
        following = _Following(
            self._host, {self._index(p): p for p in paths}, callback, period, self._following
        )
        following.begin()
        return following

    async def close(self) -> None:
        """End all subscriptions."""
        for following in list(self._following):
            await following.close()

    def _index(self, path: str) -> int:
        if path not in self._table:
            raise Refused(f"no signal {path!r}", "unknown")
        return self._host.table.index[path]

    async def _submit(self, act: Act) -> object:
        self._index(act.path)
        needed = role_to_write(self._table[act.path], self._host.external_control)
        if needed is None:
            raise Refused(f"{act.path} is read-only", "read-only")
        if self._role < needed:
            raise Refused(f"{act.path} takes the role {needed.name.lower()}", "role")
        return await asyncio.wrap_future(self._host.submit(act))


class _Following:
    """One subscription: collects on the emulation's thread, calls back on its own loop."""

    def __init__(
        self,
        host: Host,
        paths: dict[int, str],
        callback: Callable[[str, Sample], None],
        period: float,
        group: set[_Following],
    ) -> None:
        self._host = host
        self._paths = paths
        self._callback = callback
        self._period = period
        self._group = group
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._pending: dict[int, Sample] = {}
        self._shown: dict[int, tuple[Value, Quality]] = {}
        self._due: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._since = 0.0
        self._leave: Callable[[], None] = lambda: None

    def begin(self) -> None:
        self._group.add(self)
        # First the ear, then the look: a change in between is then heard twice, not missed.
        self._leave = self._host.listen(self._hear)
        frame = self._host.frame()
        self._since = frame.stamp
        with self._lock:
            self._pending = {i: _sample(frame, i) for i in self._paths} | self._pending
        self._loop.call_soon(self._flush)

    async def close(self) -> None:
        self._leave()
        self._leave = lambda: None
        if self._due is not None:
            self._due.cancel()
        self._group.discard(self)
        with self._lock:
            self._pending.clear()

    def _hear(self, update: Update) -> None:
        changed = [i for i in update.changed if i in self._paths]
        # Stamps never run backwards, so an older one is of before the first look.
        if not changed or update.frame.stamp <= self._since:
            return
        with self._lock:
            quiet = not self._pending
            self._pending |= {i: _sample(update.frame, i) for i in changed}
        if quiet and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._schedule)

    def _schedule(self) -> None:
        if self._due is None:
            wait = max(self._last + self._period - self._loop.time(), 0.0)
            self._due = self._loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        self._due = None
        self._last = self._loop.time()
        with self._lock:
            pending, self._pending = self._pending, {}
        if self not in self._group:
            return
        for i, sample in pending.items():
            if self._shown.get(i) != (sample.value, sample.quality):
                self._shown[i] = sample.value, sample.quality
                self._callback(self._paths[i], sample)


def _sample(frame: Frame, index: int) -> Sample:
    return Sample(frame.values[index], Quality(frame.quality[index]), frame.stamp)

"""One monitored attribute: sampling, filter and queue, and values encoded once for everybody."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.server.monitored_item_service import MonitoredItemData
from asyncua.ua.ua_binary import create_dataclass_serializer

if TYPE_CHECKING:
    from plc_interfaces.opcua.patches.monitoring import Subscription

_OVERFLOW = 0x480  # InfoType DataValue and the Overflow bit (Part 4, 7.39.1)
_CACHE_ENTRIES = 20_000
_CACHE_BYTES = 1_024  # longer values (images, spectra) are encoded each time, not kept


class _Done:
    """Awaitable that is finished already: spares a coroutine object per notification."""

    def __await__(self) -> Iterator[None]:
        return iter(())


_DONE = _Done()


class ValueEncoder:
    """Encodes each DataValue once for all subscriptions that report it."""

    def __init__(self) -> None:
        self._pack = create_dataclass_serializer(ua.DataValue)
        self._known: dict[int, tuple[ua.DataValue, bytes]] = {}

    def encode(self, value: ua.DataValue) -> bytes:
        """Return the binary encoding of ``value``, which must not change afterwards."""
        known = self._known.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        data: bytes = self._pack(value)
        if len(data) <= _CACHE_BYTES:
            if len(self._known) >= _CACHE_ENTRIES:
                self._known.clear()
            self._known[id(value)] = (value, data)
        return data


def status_of(value: ua.DataValue) -> int:
    """Status code of a value; no status is Good."""
    return value.StatusCode.value if value.StatusCode is not None else 0


def content_of(value: ua.DataValue) -> Any:
    """Plain content of a value."""
    return value.Value.Value if value.Value is not None else None


def _exceeds(old: Any, new: Any, band: float) -> bool:
    """Tell whether a number, or any element of an array, moved by more than ``band``."""
    if isinstance(new, list | tuple) and isinstance(old, list | tuple):
        return len(old) != len(new) or any(
            _exceeds(a, b, band) for a, b in zip(old, new, strict=True)
        )
    try:
        if math.isnan(new) or math.isnan(old):
            return math.isnan(new) != math.isnan(old)
        return bool(abs(new - old) > band)
    except TypeError:
        return bool(old != new)


class DataItem(MonitoredItemData):  # type: ignore[misc]
    """One monitored attribute: sampling interval, filter and queue."""

    def __init__(self, subscription: Subscription) -> None:
        super().__init__()
        self.subscription = subscription
        self.interval = 0.0  # s; 0 = every write
        self.due = 0.0
        self.deadband: float | None = None
        self.trigger = ua.DataChangeTrigger.StatusValue
        self.discard_oldest = True
        self.queue: deque[ua.DataValue] = deque()
        self.reported: ua.DataValue | None = None
        self.pending: ua.DataValue | None = None

    def __call__(
        self, handle: int, value: ua.DataValue | None, error: ua.StatusCode | None = None
    ) -> _Done:
        """Data change callback of the address space."""
        if value is None:
            value = ua.DataValue(StatusCode=error)
        self.offer(value)
        return _DONE

    def offer(self, value: ua.DataValue) -> None:
        """Take a written value, at most one sample per sampling interval."""
        if self.mode == ua.MonitoringMode.Disabled:
            return
        if self.interval:
            now = time.monotonic()
            if now >= self.due and self.pending is not None:
                # The value that stood when the last sample was due comes first.
                self._sample(self.pending)
                self.pending = None
                self.due += self.interval
            if now < self.due:
                self.pending = value
                self.subscription.waiting[id(self)] = self
                return
            self.due = now + self.interval
        self._sample(value)

    def flush(self, now: float) -> bool:
        """Sample the waiting value once it is due; True when nothing waits any more."""
        if self.pending is None:
            return True
        if now < self.due:
            return False
        self.due = now + self.interval
        self._sample(self.pending)
        self.pending = None
        return True

    def _sample(self, value: ua.DataValue) -> None:
        old = self.reported
        if old is not None and not self._changed(old, value):
            return
        self.reported = value
        queue = self.queue
        if len(queue) < self.queue_size:
            queue.append(value)
        elif self.queue_size == 1:
            queue[0] = value
        elif self.discard_oldest:
            queue.popleft()
            queue[0] = _overflowed(queue[0])
            queue.append(value)
        else:
            queue[-1] = _overflowed(value)
        if self.mode == ua.MonitoringMode.Reporting:
            self.subscription.ready[id(self)] = self

    def _changed(self, old: ua.DataValue, new: ua.DataValue) -> bool:
        """Compare with the value reported last (Part 4, 7.22.2)."""
        if old is new:
            return False
        if status_of(old) != status_of(new):
            return True
        if self.trigger == ua.DataChangeTrigger.Status:
            return False
        before, now = content_of(old), content_of(new)
        if self.deadband is not None:
            return _exceeds(before, now, self.deadband)
        if before != now and not (before != before and now != now):  # NaN after NaN is no change
            return True
        return bool(self.trigger == ua.DataChangeTrigger.StatusValueTimestamp) and (
            (old.SourceTimestamp, old.SourcePicoseconds)
            != (new.SourceTimestamp, new.SourcePicoseconds)
        )

    def set_mode(self, mode: ua.MonitoringMode) -> None:
        """Disabled forgets the queue, Sampling keeps it back, Reporting publishes it."""
        self.mode = mode
        ready = self.subscription.ready
        if mode == ua.MonitoringMode.Disabled:
            self.queue.clear()
            self.reported = self.pending = None
            self.due = 0.0
        if mode == ua.MonitoringMode.Reporting and self.queue:
            ready[id(self)] = self
        else:
            ready.pop(id(self), None)


def _overflowed(value: ua.DataValue) -> ua.DataValue:
    return dataclasses.replace(value, StatusCode=ua.StatusCode(status_of(value) | _OVERFLOW))

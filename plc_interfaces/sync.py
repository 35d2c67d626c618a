"""A `Device` for scripts without asyncio: the same calls, each waiting for its answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from plc_interfaces.connect import connect
from plc_interfaces.host import Host
from twin.image import Device, Sample
from twin.signals import SignalTable, Value

__all__ = ["SyncDevice", "SyncSubscription"]

_T = TypeVar("_T")


class SyncDevice:
    """Connects as `connect` does, on a thread of its own; use it in a ``with`` block or close it.

    timeout: seconds to wait for any answer before ``TimeoutError``.
    """

    def __init__(self, target: str | Host, *, timeout: float = 10.0, **options: Any) -> None:
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="device", daemon=True)
        self._thread.start()
        try:
            self._device: Device = self._wait(connect(target, **options))
        except BaseException:
            self._stop()
            raise

    @property
    def table(self) -> SignalTable:
        """The machine's signals."""
        return self._device.table

    def read(self, path: str) -> Sample:
        """The present value of a signal."""
        return self._wait(self._device.read(path))

    def write(self, path: str, value: Value) -> None:
        """Write a signal; `Refused` if it is not accepted."""
        self._wait(self._device.write(path, value))

    def call(self, path: str, *arguments: Value) -> str:
        """Call a command; its answer, or `Refused`."""
        return self._wait(self._device.call(path, *arguments))

    def subscribe(
        self, paths: Sequence[str], callback: Callable[[str, Sample], None], period: float = 0.1
    ) -> SyncSubscription:
        """Call back on the device's thread with the first value and every later change."""
        running = self._wait(self._device.subscribe(paths, callback, period))
        return SyncSubscription(lambda: self._wait(running.close()))

    def close(self) -> None:
        """Let the connection go; closing twice does nothing."""
        if self._loop.is_closed():
            return
        try:
            self._wait(self._device.close())
        finally:
            self._stop()

    def __enter__(self) -> SyncDevice:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop.is_closed():
            work.close()
            raise ConnectionError("the device is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(self._timeout)
        except FutureTimeoutError:
            future.cancel()
            raise TimeoutError(f"no answer within {self._timeout:g} s") from None

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncSubscription:
    """A running subscription of a `SyncDevice`."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def close(self) -> None:
        """End it."""
        self._close()

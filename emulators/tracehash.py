"""The trace hash: one number that two runs share if and only if they went the same way."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from emulators.canonical import canonical_json
from twin.signals import Kind, SignalTable, Value

__all__ = ["TraceHash"]

# Wall-clock facts, what the instructor did, and what is no value of the image.
_OUTSIDE = (Kind.DIAGNOSTIC, Kind.FAULT, Kind.COMMAND, Kind.IMAGE)


class TraceHash:
    """Chained SHA-256 over events and images: ``digest = sha256(digest + what happened)``.

    Only digests are kept, so that a run can go on from a snapshot. Floats are quantised to the 24
    bits of a float32. Hashes differ between processors and versions: compare runs, never store
    one as a reference.
    """

    def __init__(self, table: SignalTable) -> None:
        signals = [s for s in table.values() if s.kind not in _OUTSIDE]
        self._floats = [table.index[s.path] for s in signals if s.type is float]
        others = [table.index[s.path] for s in signals if s.type is not float]
        self._pick_floats = itemgetter(*self._floats) if len(self._floats) > 1 else None
        self._others = others
        self._digest = hashlib.sha256("\n".join(s.path for s in signals).encode()).digest()
        self.count = 0

    @property
    def hexdigest(self) -> str:
        """The hash of all so far."""
        return self._digest.hex()

    def event(self, scan: int, source: str, kind: str, message: str, fields: Any = None) -> None:
        """Something happened at a scan; `fields` is plain data."""
        self._chain(b"E", canonical_json([scan, source, kind, message, fields]).encode())

    def image(self, scan: int, values: Sequence[Value]) -> None:
        """The image at a scan, in the order of the signal table."""
        if self._pick_floats is not None:
            floats: Sequence[Any] = self._pick_floats(values)
        else:
            floats = [values[i] for i in self._floats]
        # Adding 0 makes one of the two zeros.
        quantised = (np.array(floats, dtype=np.float32) + np.float32(0)).tobytes()
        others = repr([values[i] for i in self._others]).encode()
        self._chain(b"I", struct.pack("<qq", scan, len(quantised)) + quantised + others)

    def _chain(self, tag: bytes, data: bytes) -> None:
        self._digest = hashlib.sha256(self._digest + tag + data).digest()
        self.count += 1

    def state(self) -> dict[str, Any]:
        """What to keep in a snapshot."""
        return {"digest": self.hexdigest, "count": self.count}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self._digest = bytes.fromhex(state["digest"])
        self.count = state["count"]

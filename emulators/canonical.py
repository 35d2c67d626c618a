"""Plain data with one spelling: what goes into hashes, the journal and snapshots."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["canonical_json", "content_hash", "parse", "plain"]

_BYTES = "$bytes"


def plain(value: Any, where: str = "value", *, finite: bool = False) -> Any:
    """`value` as None, bool, int, float, str, list and dict with text keys, exactly.

    NumPy scalars and arrays become numbers and lists, tuples lists, bytes a dict that `parse`
    turns back. Raises `ValueError` naming the place of anything else, and of NaN and infinities
    if `finite`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)  # Also the text of a StrEnum.
    if isinstance(value, (np.generic, np.ndarray)):
        return plain(value.tolist(), where, finite=finite)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if finite and not math.isfinite(value):
            raise ValueError(f"{where} must be a finite number, not {value}")
        return float(value)
    if isinstance(value, (bytes, bytearray)):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [plain(v, f"{where}[{i}]", finite=finite) for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key == _BYTES:
                raise ValueError(f"{where} has a key {key!r}; keys must be text, not {_BYTES}")
        return {str(k): plain(v, f"{where}.{k}", finite=finite) for k, v in value.items()}
    raise ValueError(f"{where} is a {type(value).__name__}, which is not plain data")


def canonical_json(value: Any) -> str:
    """JSON of plain data with sorted keys, no spaces and floats by their shortest exact text.

    Infinities and NaN are written as Python's ``json`` writes them (``Infinity``, ``NaN``).
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _revive(data: dict[str, Any]) -> Any:
    return base64.b64decode(data[_BYTES]) if data.keys() == {_BYTES} else data


def parse(text: str | bytes) -> Any:
    """What `canonical_json` wrote, bytes included; `ValueError` if it is not JSON."""
    return json.loads(text, object_hook=_revive)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()

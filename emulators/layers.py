"""Rows of the record for what a powder bed machine leaves behind: defects and scan vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulators.recorder import Recorder
from twin.equipment.exposure import ExposureResult

__all__ = ["record_layer"]


def record_layer(
    recorder: Recorder,
    scan: int,
    result: ExposureResult,
    defects: np.ndarray[Any, Any],
    vectors: bool,
) -> None:
    """Add a finished layer's placed defects (true state) and, if asked for, its scan vectors."""
    layer, count = result.layer, len(defects)
    recorder.rows(
        "defects",
        scan,
        {
            "layer": np.full(count, layer.index + 1, np.int32),
            "kind": defects["kind"].astype(np.int8),
            "x": defects["x"].astype(np.float32),
            "y": defects["y"].astype(np.float32),
            "z": np.full(count, layer.z, np.float32),
            "size": defects["size_m"].astype(np.float32),
            "vector": defects["vector"].astype(np.int32),
            "part": layer.part[defects["vector"]].astype(np.int16),
        },
    )
    if not vectors:
        return
    pool = result.pool
    single = {
        "x0": layer.start[:, 0],
        "y0": layer.start[:, 1],
        "x1": layer.end[:, 0],
        "y1": layer.end[:, 1],
        "power": result.power,
        "speed": result.speed,
        "width": pool.width,
        "depth": pool.depth,
        "length": pool.length,
        "photodiode": result.photodiode,
        "pyrometer": result.pyrometer,
    }
    recorder.rows(
        "vectors",
        scan,
        {
            "layer": np.full(len(layer.role), layer.index + 1, np.int32),
            "role": layer.role,
            "part": layer.part,
            "laser": layer.laser,
            "mode": pool.mode,
            "begun": result.begun,
            "ended": result.ended,
            **{name: values.astype(np.float32) for name, values in single.items()},
        },
    )

"""Pictures that a machine's monitoring publishes: coaxial camera frames and layer tomography."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from twin.meltpool import MeltPool
from twin.parts.summaries import LayerSummary

if TYPE_CHECKING:
    from twin.equipment.exposure import ExposureResult
    from twin.materials import Alloy

__all__ = ["coaxial_frame", "layer_tomography", "png"]

LONGEST_SIDE = 960  # pixels: one byte each they stay below 1 MB
MARGIN = 1e-3  # m of powder around the vectors
FINEST = 100e-6  # m per pixel of the tomography, default
FULL_SCALE = 4.0  # J/(m2 sr) of the tomography's last grey value, default
BRIGHTEST = 0.8  # of the frame's last grey value: metal that boils, default


def png(grey: npt.NDArray[np.uint8]) -> bytes:
    """Grey values (rows, columns) as a PNG file."""
    # Only runs with pictures pay for the import.
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG", compress_level=1)
    return file.getvalue()


def coaxial_frame(
    pool: MeltPool, alloy: Alloy, preheat: float, angle: float, transmission: float,
    rng: np.random.Generator,
) -> bytes:
    """PNG of one pool, on a surface at `preheat` (K), as the camera in the beam path sees it.

    `angle` (rad): direction of the beam's motion; `transmission` of the way back.
    """
    from twin.meltpool.camera import Camera
    from twin.meltpool.field import pool_field

    camera = Camera().exposed_for(alloy, alloy.boiling, BRIGHTEST)
    field = pool_field(pool, 0, alloy, preheat=preheat)
    frame = camera.frame(field, alloy, angle=angle, transmission=transmission, rng=rng)
    return png(frame.astype(np.uint8))


def layer_tomography(
    result: ExposureResult, back: npt.NDArray[np.float64], alloy: Alloy, rng: np.random.Generator
) -> bytes:
    """PNG of a layer's light, integrated over its exposure, around its vectors; x right, y up."""
    from twin.meltpool.layer_images import Tomograph

    layer = result.layer
    if isinstance(layer, LayerSummary):
        raise TypeError("a summary of a layer does not tell where every vector lies")
    points = np.concatenate([layer.start, layer.end])
    low, high = points.min(axis=0) - MARGIN, points.max(axis=0) + MARGIN
    pixel = max(FINEST, float((high - low).max()) / (LONGEST_SIDE - 1))
    columns, rows = (int(n) for n in np.ceil((high - low) / pixel))
    device = Tomograph((float(low[0]), float(low[1])), (rows, columns), pixel=pixel, bits=8,
                      full_scale=FULL_SCALE)
    light = device.exposure(layer.start, layer.end, result.pool, alloy, speed=result.speed,
                            transmission=back)
    return png(device.picture(light, rng)[::-1].astype(np.uint8))

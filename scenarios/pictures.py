"""Pictures of melt pools: temperature sections, pools along a path, process maps, layer maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from scipy.ndimage import gaussian_filter

from scenarios.melting import BALLING_LIMIT, PORE_LIMIT, ProcessMap, Section
from twin.meltpool.pool import Array, MeltPool, Mode

__all__ = ["PictureError", "draw_layer", "draw_map", "draw_pool", "draw_track",
           "new_figure", "save_figure"]

UM: Final = 1e6
DPI: Final = 110
LENGTH, WIDTH, DEPTH = "#1b6ca8", "#d1782a", "#3a7d44"
SOLIDUS: Final = "#5ff0ff"
MODE_COLOURS: Final = ("#f2f2f2", "#cfe3f5", "#fdf0c4", "#f8cfc0")


class PictureError(ValueError):
    """A picture that cannot be written."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (inches)."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, file: Path) -> None:
    """Write a figure; `PictureError` if it cannot be."""
    try:
        figure.savefig(file)
    except (OSError, ValueError) as error:  # ValueError: a suffix that means no picture format.
        raise PictureError(f"picture {file}: cannot be written: {error}") from None


def _outline(pool: MeltPool, index: int) -> tuple[Array, Array, Array]:
    """Rim of a pool drawn from its sizes: x and half width on the surface, and depth (m).

    A closed form knows sizes only: the front is drawn round, half a width ahead of the beam, the
    tail as half an ellipse.
    """
    length, half = float(pool.length[index]), 0.5 * float(pool.width[index])
    ahead = min(half, 0.5 * length)
    x = np.linspace(-(length - ahead), ahead, 400)
    reach = np.where(x > 0.0, ahead, length - ahead)
    shape = np.sqrt(np.maximum(1.0 - (x / reach) ** 2, 0.0)) if length > 0.0 else np.zeros_like(x)
    return x, half * shape, float(pool.depth[index]) * shape


def _rims(pool: MeltPool, index: int, section: Section | None) -> tuple[Array, Array]:
    """Lowest and highest (x, y, z) shown (m)."""
    if section is not None:
        return (np.array([section.x[0], section.y[0], 0.0]),
                np.array([section.x[-1], section.y[-1], section.z[-1]]))
    x, half, depth = _outline(pool, index)
    margin = 0.06 * float(np.ptp(x)) + 1e-5
    across, down = 1.25 * half.max() + 1e-5, 1.25 * depth.max() + 1e-5
    return np.array([x[0] - margin, -across, 0.0]), np.array([x[-1] + margin, across, down])


def _heights(low: Array, high: Array) -> tuple[float, float]:
    """Heights (inches) of surface and section so that both have the same scale along and across."""
    scale = 7.0 / (high[0] - low[0])
    across, down = np.clip(scale * (high - low)[1:], 0.5, 4.0)
    return float(across), float(down)


def _draw_section(
    figure: Figure, axes: Sequence[Axes], pool: MeltPool, index: int, section: Section | None,
    melting: float, boiling: float,
) -> None:
    """Surface in the upper, the plane through the track in the lower of two axes."""
    top, side = axes
    low, high = _rims(pool, index, section)
    if section is None:
        x, half, depth = _outline(pool, index)
        style: dict[str, Any] = {"color": "#f4a261", "ec": "#9c2c13", "lw": 1.5}
        top.fill_between(x * UM, -half * UM, half * UM, **style)
        side.fill_between(x * UM, 0.0, depth * UM, **style)
        ink = "#333333"
        line = "outline drawn from the sizes" if half.any() else "nothing melts"
    else:
        norm = Normalize(300.0, boiling)
        for axis, other, field in ((top, section.y, section.top), (side, section.z, section.side)):
            axis.pcolormesh(section.x * UM, other * UM, field.T, cmap="inferno", norm=norm,
                            shading="gouraud", rasterized=True)
            # A field with latent heat may rest at the solidus: just above it is one line.
            if field.min() < melting + 0.5 < field.max():
                axis.contour(section.x * UM, other * UM, field.T, [melting + 0.5], colors=SOLIDUS,
                             linewidths=1.6)
        bar = figure.colorbar(ScalarMappable(norm, "inferno"), ax=list(axes), extend="max",
                              pad=0.015, aspect=25)
        bar.set_label("temperature, K")
        bar.ax.axhline(melting, color=SOLIDUS, lw=2)
        ink, line = "#ffffff", f"line: solidus, {melting:.0f} K"
    left, right = low[0] * UM, high[0] * UM
    top.set(ylabel="across y, µm", xlim=(left, right), ylim=(low[1] * UM, high[1] * UM),
            xticklabels=[])
    side.set(xlabel="along the track x from the beam, µm", ylabel="depth z, µm",
             xlim=(left, right), ylim=(high[2] * UM, 0.0))
    for axis, where in ((top, "surface"), (side, "section through the track")):
        axis.axvline(0.0, color=ink, lw=0.6, ls=":")
        axis.text(0.01, 0.06, f"{where}; {line}", transform=axis.transAxes, fontsize=8, color=ink)
    top.annotate("", xy=(0.99, 0.88), xytext=(0.93, 0.88), xycoords="axes fraction",
                 arrowprops={"arrowstyle": "->", "color": ink})


def _sizes(pool: MeltPool, index: int) -> str:
    return (
        f"length {pool.length[index] * UM:.0f}, width {pool.width[index] * UM:.0f}, "
        f"depth {pool.depth[index] * UM:.0f} µm, {Mode(pool.mode[index]).name.lower()}, "
        f"absorbed {pool.absorptivity[index]:.2f}"
    )


def draw_pool(
    file: Path, title: str, pool: MeltPool, section: Section | None, melting: float, boiling: float
) -> None:
    """One pool: surface and longitudinal section with the solidus line; PictureError."""
    heights = _heights(*_rims(pool, 0, section))
    figure = new_figure(9.0, sum(heights) + 1.5)
    figure.suptitle(f"{title}\n{_sizes(pool, 0)}", fontsize=10)
    axes = figure.subplots(2, 1, height_ratios=heights)
    _draw_section(figure, axes, pool, 0, section, melting, boiling)
    save_figure(figure, file)


def draw_track(
    file: Path, title: str, times: Array, pool: MeltPool, section: Section | None, shown: int,
    melting: float, boiling: float,
) -> None:
    """Pools over time (s), and the section of pool number ``shown``; PictureError."""
    heights = _heights(*_rims(pool, shown, section))
    figure = new_figure(9.0, sum(heights) + 4.2)
    figure.suptitle(f"{title}\nat {times[shown] * 1e3:.2f} ms: {_sizes(pool, shown)}", fontsize=10)
    upper, *axes = figure.subplots(3, 1, height_ratios=[2.2, *heights])
    # A pool of nothing is a gap in the line, not a size.
    for name, colour in (("length", LENGTH), ("width", WIDTH), ("depth", DEPTH)):
        size = getattr(pool, name)
        upper.plot(times * 1e3, np.where(size > 0.0, size * UM, np.nan), color=colour, lw=1.4,
                   label=name)
    upper.axvline(times[shown] * 1e3, color="#777777", lw=0.6, ls=":")
    upper.set(xlabel="time, ms", ylabel="size, µm", yscale="log")
    upper.yaxis.set_major_formatter("{x:g}")
    upper.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(4.0, 1.5)))
    upper.grid(alpha=0.25, which="both")
    upper.legend(ncols=3, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False)
    _draw_section(figure, axes, pool, shown, section, melting, boiling)
    save_figure(figure, file)


def _smooth(beyond: npt.NDArray[np.bool_]) -> Array:
    """Yes or no on a grid has steps as borders: the mean over a cell's neighbours has not."""
    share: Array = gaussian_filter(beyond.astype(float), 2.0, mode="nearest")
    return share


def draw_map(
    file: Path, title: str, found: ProcessMap, recipe: Mapping[str, tuple[float, float]],
) -> None:
    """Process map: regions by mode, limits of good tracks, and a recipe's (power, speed) points."""
    figure = new_figure(8.4, 5.8)
    axis = figure.subplots()
    speed, power = found.speed * 1e3, found.power
    axis.set_facecolor(MODE_COLOURS[Mode.NONE])
    for mode in (Mode.CONDUCTION, Mode.TRANSITION, Mode.KEYHOLE):
        share = _smooth(found.mode >= mode)
        axis.contourf(speed, power, share, [0.5, 1.5], colors=MODE_COLOURS[mode])
        if share.min() < 0.5 < share.max():
            axis.contour(speed, power, share, [0.5], colors="#888888", linewidths=0.8)
    handles: list[Any] = [
        axis.fill_between([], [], color=colour, ec="#888888", label=mode.name.lower())
        for mode, colour in zip(Mode, MODE_COLOURS, strict=True)
        if bool(np.any(found.mode == mode))
    ]
    slender = f"balling: length/width {np.pi * BALLING_LIMIT:.1f}"
    limits = (
        ("lack of fusion", np.minimum(found.fusion, 100.0), 1.0, "#1b4f9c", "-"),
        ("keyhole pores", _smooth(found.pores >= PORE_LIMIT), 0.5, "#b3201f", "--"),
        (slender, found.balling, BALLING_LIMIT, "#6a3d9a", "-."),
    )
    for name, field, limit, colour, style in limits:
        if field.min() < limit < field.max():
            axis.contour(speed, power, field, [limit], colors=colour, linewidths=2.0,
                         linestyles=style)
            handles += axis.plot([], [], color=colour, ls=style, lw=2.0, label=name)
    if bool(found.sound.any()):
        axis.contourf(speed, power, _smooth(found.sound), [0.5, 1.5], colors="none",
                      hatches=[".."]).set(edgecolor="#8a8a8a", linewidth=0.0)
        handles.append(axis.fill_between([], [], facecolor="none", ec="#8a8a8a", hatch="..",
                                         label="no limit passed"))
    for watts, metres in dict.fromkeys(recipe.values()):
        names = ", ".join(name for name, at in recipe.items() if at == (watts, metres))
        axis.plot(metres * 1e3, watts, "o", ms=8, mfc="#ffffff", mec="#111111", mew=1.6, zorder=5)
        axis.annotate(names, (metres * 1e3, watts), xytext=(9, 7), textcoords="offset points",
                      fontsize=9, zorder=6,
                      bbox={"fc": "#ffffff", "ec": "none", "alpha": 0.85, "pad": 1.5})
    axis.set(xlabel="speed, mm/s", ylabel="laser power on the surface, W",
             xlim=(speed[0], speed[-1]), ylim=(power[0], power[-1]))
    axis.set_title(title, fontsize=10)
    figure.legend(handles=handles, loc="outside right upper", fontsize=8, frameon=False)
    save_figure(figure, file)


def draw_layer(
    file: Path, title: str, start: Array, stop: Array, value: Array, label: str, pitch: float
) -> None:
    """Pieces of scan vectors (n, 2) in m, coloured by a value (n,) in m; 0 is drawn grey.

    Lines are as wide as the distance ``pitch`` (m) between tracks.
    """
    size = np.ptp(np.concatenate([start, stop]), axis=0)
    wide, high = np.clip(7.5 * size / max(float(size.max()), 1e-9), 2.5, None)
    figure = new_figure(wide + 1.9, high + 1.0)
    axis = figure.subplots()
    lines = np.stack([start, stop], axis=1) * 1e3
    melted = value > 0.0
    shown = value[melted] * UM
    ends = np.percentile(shown, [1.0, 99.0]) if len(shown) else np.array([0.0, 1.0])
    norm = Normalize(float(ends[0]), float(max(ends[1], ends[0] + 1.0)))
    # The margins of the axes take a tenth.
    thin = max(0.4, 0.9 * 72.0 * pitch * float(min(wide / size[0], high / size[1])))
    axis.add_collection(LineCollection(list(lines[~melted]), colors="#bbbbbb", linewidths=thin,
                                       rasterized=True))
    axis.add_collection(LineCollection(list(lines[melted]), array=shown, cmap="viridis", norm=norm,
                                       linewidths=thin, rasterized=True))
    axis.autoscale_view()
    axis.set_aspect("equal")
    axis.set(xlabel="x, mm", ylabel="y, mm")
    axis.set_title(title, fontsize=10)
    figure.colorbar(ScalarMappable(norm, "viridis"), ax=axis, extend="both", pad=0.015,
                    aspect=30).set_label(label)
    save_figure(figure, file)

"""Compiled loops of the enthalpy solver: nested grids, heat source, evaporation, regridding.

Grids are flat single-precision arrays. Grid ``l`` has ``nx * ny * nz`` cells with one ghost column
and row on every side and one ghost plane below; the top plane is the free surface. Its cells are
half as wide as those of grid ``l - 1`` and it makes four steps in one of that grid's. Stored per
cell: enthalpy ``u`` above that of the preheat (J/m3), and the Kirchhoff potential ``t`` (W/m), that
is conductivity integrated over temperature, so that conduction is a plain difference. The topmost
``powder`` planes (the last of them metal) also have ``c``, conductivity over that of the metal.
Each grid has two buffers of everything; ``which`` says which one holds the present.

All in one file: numba's cache on disk sees changes of a function's own file only.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf, floor, sqrt
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Buffers = Floats  # (2, grids, cells): both buffers of all grids
Scratch = tuple[Doubles, npt.NDArray[np.uint8], Ints]
Function = TypeVar("Function", bound=Callable[..., object])


def _compiled(function: Function) -> Function:
    return cast(Function, njit(cache=True, nogil=True)(function))


def _contracted(function: Function) -> Function:
    """May fuse a product and a sum, which all processors in question do alike."""
    return cast(Function, njit(cache=True, nogil=True, fastmath={"contract"})(function))


def _reordered(function: Function) -> Function:
    """May also add up in another order, always the same one."""
    order = {"contract", "reassoc", "nsz"}
    return cast(Function, njit(cache=True, nogil=True, fastmath=order)(function))


def _inlined(function: Function) -> Function:
    return cast(Function, njit(cache=True, nogil=True, inline="always")(function))

# Columns of the table of grids: cells along x, y, z; origin in world cells of this grid.
NX, NY, NZ, OX, OY = range(5)
GRID_COLUMNS = 5
# Entries of the material vector.
SOLIDUS, LIQUIDUS, C1, C2, C3, MUSHY, LIQUID, CAP, FUMES = range(9)
# Entries of the ledger (J): absorbed, evaporated and radiated, lost through the far walls and
# with cells that the window leaves behind, meant for places outside the window.
ABSORBED, EVAPORATED, LEFT, MISSED = range(4)
# Entries of a beam's state between steps: depth of its keyhole (m), absorptivity, heat that did
# not fit into the finest grid's depth (J), planes that were reached, time it was switched on (s).
DEPTH, ABSORPTIVITY, WAITING, REACHED, SINCE = range(5)
BEAM_COLUMNS = 5
# Entries of the closure.
FLAT, DEEP, GROWTH, ONSET, UPWELLING, SPREAD, NARROW, RELAX, TRAIL, BEDDED = range(10)

# Enthalpy of untouched metal (J/m3, 0.3 mK above the preheat). Around 0 the outskirts of a
# temperature field would be denormal numbers, which processors handle slowly.
AMBIENT = np.float32(1024.0)

FAR = 1 << 40
TAILS = 2.6  # standard deviations of a beam that are looked at
LOOSE = np.float32(0.5)  # conductivity ratio below which powder is not yet part of the pool
PAUSE = 1e-9  # s: a shorter gap between segments is none
EVAPORATION_STEP = 40e-6  # s between two looks at what leaves the hottest surface
HOTTEST = np.float32(3e38)

U1 = np.uint64(1)


@_inlined
def _law(m: Floats) -> Any:
    """What `potential` needs of the material vector, held in registers."""
    return m[SOLIDUS], m[LIQUIDUS], m[C1], m[C2], m[C3], m[MUSHY], m[LIQUID]


@_inlined
def potential(x: Any, law: Any) -> Any:
    """Kirchhoff potential of an enthalpy: a cubic in the solid, straight above."""
    us, ul, c1, c2, c3, mushy, liquid = law
    zero = np.float32(0.0)
    s = min(x, us)
    return (
        s * (c1 + s * (c2 + s * c3))
        + mushy * min(max(x - us, zero), ul - us)
        + liquid * max(x - ul, zero)
    )


@_contracted
def _diffuse(
    u: Floats, t: Floats, new: Floats, begin: Any, end: Any, row: Any, plane: Any, up: Any,
    r: Any, m: Floats
) -> None:
    """Step of consolidated metal for flat cells ``begin`` to ``end``; ``up`` is 0 at the top."""
    six, law = np.float32(6.0), _law(m)
    for p in range(np.uint64(begin), np.uint64(end)):
        around = (
            (t[p - U1] + t[p + U1]) + (t[p - row] + t[p + row]) + (t[p - up] + t[p + plane])
        )
        x = u[p] + r * (around - six * t[p])
        u[p] = x
        new[p] = potential(x, law)


@_contracted
def _diffuse_powder(
    u: Floats, t: Floats, new: Floats, c: Floats, begin: Any, end: Any, row: Any, plane: Any,
    up: Any, r: Any, m: Floats
) -> None:
    """Step with ``c``, conductivity over that of the metal; what melts is metal for good."""
    law = _law(m)
    for p in range(np.uint64(begin), np.uint64(end)):
        h, q = t[p], c[p]
        flow = (
            (min(q, c[p - U1]) * (t[p - U1] - h) + min(q, c[p + U1]) * (t[p + U1] - h))
            + (min(q, c[p - row]) * (t[p - row] - h) + min(q, c[p + row]) * (t[p + row] - h))
            + (min(q, c[p - up]) * (t[p - up] - h) + min(q, c[p + plane]) * (t[p + plane] - h))
        )
        x = u[p] + r * flow
        u[p] = x
        new[p] = potential(x, law)


@_compiled
def _consolidate(
    u: Floats, c: Floats, plane: int, planes: int, solidus: Any, liquidus: Any
) -> None:
    """Powder joins the metal as far as it melts, for good, and sinks onto what lies below."""
    per, zero, one = np.float32(1.0) / (liquidus - solidus), np.float32(0.0), np.float32(1.0)
    for p in range(planes * plane):
        molten = min(max((u[p] - solidus) * per, zero), one)
        c[p] = max(c[p], molten)
    for p in range(plane, planes * plane):
        c[p] = max(c[p], c[p - plane])


@_compiled
def _mirror(t: Floats, nx: int, ny: int, nz: int, walls: bool, m: Floats) -> None:
    """Ghosts: no flow through the sides and below, or (``walls``) the preheat beyond them."""
    law = _law(m)
    row, plane = nx + 2, (nx + 2) * (ny + 2)
    if walls:
        zero = potential(AMBIENT, law)
        for k in range(nz):
            base = k * plane
            for i in range(nx + 2):
                t[base + i] = zero
                t[base + (ny + 1) * row + i] = zero
            for j in range(1, ny + 1):
                t[base + j * row] = zero
                t[base + j * row + nx + 1] = zero
        for p in range(nz * plane, (nz + 1) * plane):
            t[p] = zero
        return
    wide, deep = np.uint64(row), np.uint64(plane)
    for k in range(nz):
        first = np.uint64(k * plane)
        last = np.uint64(k * plane + ny * row)
        for i in range(np.uint64(0), wide):
            t[first + i] = t[first + wide + i]
            t[last + wide + i] = t[last + i]
        e = first + wide
        for _ in range(ny):
            t[e] = t[e + U1]
            t[e + np.uint64(nx + 1)] = t[e + np.uint64(nx)]
            e += wide
    above, below = np.uint64((nz - 1) * plane), np.uint64(nz * plane)
    for i in range(np.uint64(0), deep):
        t[below + i] = t[above + i]

@_compiled
def _outflow(
    t: Floats, c: Floats, nx: int, ny: int, nz: int, powder: int, cold: Any
) -> float:
    """Sum over the far walls of the potentials above that beyond them, as far as they conduct."""
    row, plane = nx + 2, (nx + 2) * (ny + 2)
    total = 0.0
    for k in range(nz):
        for side in range(4):
            if side < 2:
                p, step, count, out = k * plane + row + 1 + side * (nx - 1), row, ny, 2 * side - 1
            else:
                p = k * plane + row + 1 + (side - 2) * (ny - 1) * row
                step, count, out = 1, nx, (2 * side - 5) * row
            for _ in range(count):
                flow = t[p] - cold
                if k < powder:
                    flow *= min(c[p], c[p + out])
                total += flow
                p += step
    for j in range(ny):
        for i in range(nx):
            total += t[(nz - 1) * plane + (j + 1) * row + i + 1] - cold
    return total


@_compiled
def _step(
    u: Floats, t: Floats, new: Floats, c: Floats, nx: int, ny: int, nz: int, powder: int, r: Any,
    m: Floats, walls: bool, ledger: Doubles, volume: float
) -> None:
    """One explicit step of one grid; ``powder`` planes from the top have their own conductivity."""
    law = _law(m)
    row, plane = nx + 2, (nx + 2) * (ny + 2)
    _mirror(t, nx, ny, nz, walls, m)
    if walls:
        ledger[LEFT] += r * volume * _outflow(t, c, nx, ny, nz, powder, potential(AMBIENT, law))
    a, b = row + 1, plane - row - 1
    r32 = np.float32(r)
    w, h = np.uint64(row), np.uint64(plane)
    zero = np.uint64(0)
    if powder > 0:
        _diffuse_powder(u, t, new, c, a, b, w, h, zero, r32, m)
        if powder > 1:
            _diffuse_powder(u, t, new, c, plane + a, (powder - 1) * plane + b, w, h, h, r32, m)
        _consolidate(u, c, plane, powder, m[SOLIDUS], m[LIQUIDUS])
    else:
        _diffuse(u, t, new, a, b, w, h, zero, r32, m)
    first = max(powder, 1)
    if nz > first:
        _diffuse(u, t, new, first * plane + a, (nz - 1) * plane + b, w, h, h, r32, m)


@_compiled
def _exchange(
    t: Floats, c: Floats, grid: Ints, powder: int, r: Any, fine_u: Floats, fine_c: Floats,
    fine: Ints, fine_powder: int
) -> None:
    """Give the fine grid what flows into its region in one coarse step.

    Its potential follows with its own next step.

    ``t``, ``c``: coarse potential and conductivity ratio before that step. The coarse cells outside
    pay it in their own step, so nothing is lost.
    """
    row, plane = grid[NX] + 2, (grid[NX] + 2) * (grid[NY] + 2)
    frow, fplane = fine[NX] + 2, (fine[NX] + 2) * (fine[NY] + 2)
    nx, ny, nz = fine[NX] // 2, fine[NY] // 2, fine[NZ] // 2
    i0 = fine[OX] // 2 - grid[OX] + 1
    j0 = fine[OY] // 2 - grid[OY] + 1
    two_r = np.float32(2.0 * r)
    for k in range(nz):
        for side in range(4):
            # A line of coarse cells inside the interface, its step, and the way out of it.
            if side < 2:
                i, j, count, step, out = (nx - 1) * side, 0, ny, row, 2 * side - 1
                f = (2 * j + 1) * frow + (fine[NX] - 1) * side + 1
                along, span = frow, 2 * frow
            else:
                i, j, count, step, out = 0, (ny - 1) * (side - 2), nx, 1, (2 * side - 5) * row
                f = ((fine[NY] - 1) * (side - 2) + 1) * frow + 1
                along, span = 1, 2
            p = k * plane + (j0 + j) * row + i0 + i
            f += 2 * k * fplane
            for _ in range(count):
                flow = two_r * (t[p + out] - t[p])
                if k < powder:
                    flow *= min(c[p + out], c[p])
                if fine_powder <= 2 * k:
                    for g in (f, f + along, f + fplane, f + fplane + along):
                        fine_u[g] += flow
                else:
                    # Each as far as it conducts: powder would neither pass it on nor give it up.
                    total = np.float32(0.0)
                    for g in (f, f + along, f + fplane, f + fplane + along):
                        total += fine_c[g]
                    for g in (f, f + along, f + fplane, f + fplane + along):
                        fine_u[g] += np.float32(4.0) * flow * fine_c[g] / total
                p += step
                f += span
    k = nz - 1
    for j in range(ny):
        p = k * plane + (j0 + j) * row + i0
        f = (2 * k + 1) * fplane + (2 * j + 1) * frow + 1
        for _ in range(nx):
            flow = two_r * (t[p + plane] - t[p])
            if k < powder:
                flow *= min(c[p], c[p + plane])
            if flow != np.float32(0.0):
                for g in (f, f + 1, f + frow, f + frow + 1):
                    fine_u[g] += flow
            p += 1
            f += 2


@_compiled
def _restrict(
    u: Floats, t: Floats, c: Floats, grid: Ints, powder: int, fine_u: Floats, fine_c: Floats,
    fine: Ints, fine_powder: int, m: Floats
) -> None:
    """Coarse cells under the fine grid become the means of their eight fine cells."""
    law = _law(m)
    row, plane = grid[NX] + 2, (grid[NX] + 2) * (grid[NY] + 2)
    frow, fplane = fine[NX] + 2, (fine[NX] + 2) * (fine[NY] + 2)
    i0 = fine[OX] // 2 - grid[OX] + 1
    j0 = fine[OY] // 2 - grid[OY] + 1
    eighth, one = np.float32(0.125), np.float32(1.0)
    two = np.uint64(2)
    r, pl = np.uint64(frow), np.uint64(fplane)
    line = np.empty(fine[NX] + 2, np.float32)
    for k in range(fine[NZ] // 2):
        for j in range(fine[NY] // 2):
            p = np.uint64(k * plane + (j0 + j) * row + i0)
            f = np.uint64(2 * k * fplane + (2 * j + 1) * frow + 1)
            for i in range(np.uint64(0), np.uint64(fine[NX])):
                e = f + i
                line[i] = (fine_u[e] + fine_u[e + r]) + (fine_u[e + pl] + fine_u[e + pl + r])
            for i in range(np.uint64(0), np.uint64(fine[NX] // 2)):
                x = eighth * (line[two * i] + line[two * i + U1])
                u[p + i] = x
                t[p + i] = potential(x, law)
    for k in range(min(powder, fine[NZ] // 2)):
        for j in range(fine[NY] // 2):
            p = k * plane + (j0 + j) * row + i0
            f = 2 * k * fplane + (2 * j + 1) * frow + 1
            for i in range(fine[NX] // 2):
                s = np.float32(0.0)
                for kk in range(2):
                    for jj in range(2):
                        for ii in range(2):
                            g = f + 2 * i + kk * fplane + jj * frow + ii
                            s += fine_c[g] if 2 * k + kk <= fine_powder else one
                c[p + i] = s * eighth


@_compiled
def _regrid(
    u: Floats, c: Floats, old: Ints, new_u: Floats, new_t: Floats, new_c: Floats, new: Ints,
    powder: int, virgin: Floats, base_u: Floats, base_c: Floats, base: Ints, base_powder: int,
    base_virgin: Floats, m: Floats, ledger: Doubles, volume: float
) -> None:
    """Move a grid: cells it keeps are copied, others come from the coarser grid (or are cold).

    ``virgin`` is the conductivity ratio of powder nobody melted, by plane. ``base`` has no cells
    for the outermost grid; what that one leaves behind goes into the ledger.
    """
    law = _law(m)
    row, plane = old[NX] + 2, (old[NX] + 2) * (old[NY] + 2)
    nrow, nplane = new[NX] + 2, (new[NX] + 2) * (new[NY] + 2)
    brow, bplane = base[NX] + 2, (base[NX] + 2) * (base[NY] + 2)
    one = np.float32(1.0)
    dx, dy = new[OX] - old[OX], new[OY] - old[OY]
    outermost = base[NX] == 0
    if outermost:
        for k in range(old[NZ]):
            for j in range(old[NY]):
                for i in range(old[NX]):
                    a, b = i - dx, j - dy
                    if not (0 <= a < new[NX] and 0 <= b < new[NY] and k < new[NZ]):
                        ledger[LEFT] += (u[k * plane + (j + 1) * row + i + 1] - AMBIENT) * volume
    if powder > 0:
        for p in range((powder + 1) * nplane):
            new_c[p] = one
    kept_from, kept_to = max(0, -dx), min(new[NX], old[NX] - dx)
    if kept_to < kept_from:
        kept_from, kept_to = new[NX], new[NX]
    for k in range(new[NZ]):
        for j in range(new[NY]):
            b = j + dy
            e = np.uint64(k * nplane + (j + 1) * nrow + 1)
            low, high = new[NX], new[NX]
            if 0 <= b < old[NY] and k < old[NZ]:
                low, high = kept_from, kept_to
                q = np.uint64(k * plane + (b + 1) * row + 1 + dx)
                for i in range(np.uint64(low), np.uint64(high)):
                    new_u[e + i] = u[q + i]
                if k < powder:
                    for i in range(np.uint64(low), np.uint64(high)):
                        new_c[e + i] = c[q + i]
            for part in range(2):
                first, last = (0, low) if part == 0 else (high, new[NX])
                if outermost:
                    for i in range(first, last):
                        new_u[e + np.uint64(i)] = AMBIENT
                        if k < powder:
                            new_c[e + np.uint64(i)] = virgin[k]
                    continue
                line = (k // 2) * bplane + ((new[OY] + j) // 2 - base[OY] + 1) * brow + 1
                for i in range(first, last):
                    source = line + (new[OX] + i) // 2 - base[OX]
                    new_u[e + np.uint64(i)] = base_u[source]
                    if k < powder and virgin[k] < one:
                        bare = base_virgin[k // 2]
                        molten = (base_c[source] - bare) / (one - bare)
                        new_c[e + np.uint64(i)] = virgin[k] + (one - virgin[k]) * molten
            for i in range(np.uint64(0), np.uint64(new[NX])):
                new_t[e + i] = potential(new_u[e + i], law)


_NORMAL_REACH, _NORMAL_STEPS = 4.0, 4096
NORMAL = np.array([0.5 * (1.0 + erf((n / _NORMAL_STEPS * 2.0 - 1.0) * _NORMAL_REACH * sqrt(0.5)))
                   for n in range(_NORMAL_STEPS + 2)])


@_inlined
def _below(z: float) -> Any:
    """Share of a normal distribution below ``z`` standard deviations, from a table."""
    at = (z + _NORMAL_REACH) * (_NORMAL_STEPS / (2.0 * _NORMAL_REACH))
    at = min(max(at, 0.0), float(_NORMAL_STEPS))
    n = int(at)
    return NORMAL[n] + (at - n) * (NORMAL[n + 1] - NORMAL[n])


@_compiled
def _weights(
    w: Doubles, low: int, high: int, cell: float, origin: int, at: float, sigma: float
) -> float:
    """Share of a Gaussian in each of the cells ``low`` to ``high``, adding up to 1.

    Returns the share that lies in them without that.
    """
    first = _below(((origin + low) * cell - at) / sigma)
    edge = first
    for i in range(low, high):
        following = _below(((origin + i + 1) * cell - at) / sigma)
        w[i] = following - edge
        edge = following
    scale = 1.0 / max(edge - first, 1e-9)
    for i in range(low, high):
        w[i] *= scale
    return float(edge - first)


@_compiled
def _heat(
    u: Floats, t: Floats, grid: Ints, finer: Ints, cell: float, x: float, y: float, back_x: float,
    back_y: float, sigma: float, energy: float, flat: float, renewed: float, state: Doubles,
    closure: Doubles, m: Floats, weights: Doubles, ledger: Doubles
) -> None:
    """Put ``energy`` (J) of a beam at x, y (m) into the metal, outside the ``finer`` grid.

    A column takes heat from the top down; a cell at the cap is keyhole and lets the rest through.
    In a keyhole a share of the heat is carried up its rear wall and spreads over the surface
    around ``back_x``, ``back_y``. ``flat``: absorptivity without a keyhole; ``renewed``: share of
    the keyhole's depth that is new.
    """
    law = _law(m)
    nx, ny, nz = grid[NX], grid[NY], grid[NZ]
    row, plane = nx + 2, (nx + 2) * (ny + 2)
    aspect = state[DEPTH] / (2.0 * sigma)
    beyond = -np.expm1(-closure[GROWTH] * max(aspect - closure[ONSET], 0.0))
    absorptivity = flat + (max(closure[DEEP], flat) - flat) * beyond
    share = closure[UPWELLING] * beyond
    narrow, wide = closure[NARROW] * sigma, closure[SPREAD] * sigma
    reach, around = TAILS * narrow, TAILS * wide if share > 0.0 else 0.0
    i0 = max(floor(min(x - reach, back_x - around) / cell) - grid[OX], 0)
    i1 = min(floor(max(x + reach, back_x + around) / cell) - grid[OX] + 1, nx)
    j0 = max(floor(min(y - reach, back_y - around) / cell) - grid[OY], 0)
    j1 = min(floor(max(y + reach, back_y + around) / cell) - grid[OY] + 1, ny)
    if i0 >= i1 or j0 >= j1:
        ledger[MISSED] += energy
        return
    inside = _weights(weights[0], i0, i1, cell, grid[OX], x, narrow)
    inside *= _weights(weights[1], j0, j1, cell, grid[OY], y, narrow)
    if inside < 0.25:
        ledger[MISSED] += energy
        return
    if share > 0.0:
        inside = _weights(weights[2], i0, i1, cell, grid[OX], back_x, wide)
        inside *= _weights(weights[3], j0, j1, cell, grid[OY], back_y, wide)
        if inside < 0.25:
            share = 0.0  # it comes up where this grid does not reach
    state[ABSORPTIVITY] = absorptivity
    waiting = state[WAITING]
    density = (energy * absorptivity + waiting) / cell**3
    state[WAITING] = 0.0
    cap, zero = m[CAP], np.float32(0.0)
    hole_x, hole_y = finer[OX] // 2 - grid[OX], finer[OY] // 2 - grid[OY]
    hole_i, hole_j = hole_x + finer[NX] // 2, hole_y + finer[NY] // 2
    if finer[NX] > 0 and hole_x < i1 and hole_i > i0 and hole_y < j1 and hole_j > j0:
        inside_i, inside_j = 0.0, 0.0
        for i in range(max(i0, hole_x), min(i1, hole_i)):
            inside_i += weights[0, i]
        for j in range(max(j0, hole_y), min(j1, hole_j)):
            inside_j += weights[1, j]
        share = 0.0
        density /= max(1.0 - inside_i * inside_j, 1e-3)
    moment = 0.0
    wx, wide_x = weights[0], weights[2]
    for j in range(j0, j1):
        a = np.float32((1.0 - share) * weights[1, j] * density)
        b = np.float32(share * weights[3, j] * density) if share > 0.0 else zero
        p0 = np.uint64((j + 1) * row + 1)
        keep_from, keep_to = i1, i1
        if finer[NX] > 0 and hole_y <= j < hole_j:
            keep_from, keep_to = min(max(hole_x, i0), i1), min(max(hole_i, i0), i1)
        hottest = zero
        for part in range(2):
            first, last = (i0, keep_from) if part == 0 else (keep_to, i1)
            for i in range(np.uint64(first), np.uint64(last)):
                h = u[p0 + i] + a * np.float32(wx[i])
                if share > 0.0:
                    h += b * np.float32(wide_x[i])
                u[p0 + i] = h
                t[p0 + i] = potential(h, law)
                hottest = max(hottest, h)
        if hottest <= cap:
            continue
        for part in range(2):
            first, last = (i0, keep_from) if part == 0 else (keep_to, i1)
            for i in range(first, last):
                q = p0 + np.uint64(i)
                k = 0
                while u[q] > cap:
                    left = u[q] - cap
                    u[q] = cap
                    t[q] = potential(cap, law)
                    k += 1
                    moment += left
                    if k == nz:
                        # Deeper than this grid: it waits for a deeper one.
                        state[WAITING] += left * cell**3
                        break
                    q += np.uint64(plane)
                    u[q] += left
                    t[q] = potential(u[q], law)
                state[REACHED] = max(state[REACHED], k + 1.0)
    mean = min(2.0 * moment / (density * (1.0 - share)), float(nz)) * cell
    state[DEPTH] += renewed * (mean - state[DEPTH])
    ledger[ABSORBED] += energy * absorptivity + waiting - state[WAITING]


@_reordered
def _evaporate(
    u: Floats, t: Floats, grid: Ints, cell: float, seconds: float, low: Any, high: Any, m: Floats,
    losses: Floats, per: float, ledger: Doubles
) -> None:
    """Evaporation and radiation from the surface where its enthalpy is above ``low`` to ``high``.

    ``losses`` (W/m2) by enthalpy, ``per`` of its steps in one J/m3.
    """
    law = _law(m)
    nx, ny = grid[NX], grid[NY]
    row = nx + 2
    scale, step = np.float32(seconds / cell), np.float32(per)
    zero, last = np.float32(0.0), np.float32(losses.size - 2)
    total = 0.0
    for j in range(1, ny + 1):
        p = np.uint64(j * row + 1)
        hottest = zero
        for i in range(np.uint64(0), np.uint64(nx)):
            hottest = max(hottest, u[p + i])
        if hottest <= low:
            continue
        lost = zero
        for i in range(np.uint64(0), np.uint64(nx)):
            at = u[p + i] * step
            at = at if at > zero else zero
            at = at if at < last else last
            n = np.uint32(at)
            loss = losses[n] + (at - np.float32(n)) * (losses[n + np.uint32(1)] - losses[n])
            loss = loss * scale if low < u[p + i] <= high else zero
            u[p + i] -= loss
            t[p + i] = potential(u[p + i], law)
            lost += loss
        total += float(lost)
    ledger[EVAPORATED] += total * cell**3


@_compiled
def _bounds(u: Floats, grid: Ints, threshold: Any, box: Ints) -> None:
    """Extend ``box`` (x0, x1, y0, y1, z) in cells of this grid over what is hotter."""
    nx, ny, nz = grid[NX], grid[NY], grid[NZ]
    row, plane = nx + 2, (nx + 2) * (ny + 2)
    for k in range(nz):
        found = False
        for j in range(ny):
            p = np.uint64(k * plane + (j + 1) * row + 1)
            hottest = np.float32(0.0)
            for i in range(np.uint64(0), np.uint64(nx)):
                hottest = max(hottest, u[p + i])
            if hottest > threshold:
                found = True
                first, last = 0, nx - 1
                while u[p + np.uint64(first)] <= threshold:
                    first += 1
                while u[p + np.uint64(last)] <= threshold:
                    last -= 1
                box[0] = min(box[0], grid[OX] + first)
                box[1] = max(box[1], grid[OX] + last + 1)
                box[2] = min(box[2], grid[OY] + j)
                box[3] = max(box[3], grid[OY] + j + 1)
        if not found:
            return
        box[4] = max(box[4], k + 1)


@_compiled
def _fit(
    new: Ints, box: Ints, base: Ints, margin: int, capacity: int, focus_x: int, focus_y: int,
    least: int
) -> bool:
    """A grid's new place: ``box`` and margins, in whole cells of ``base``; False if not inside.

    It is at least ``least`` of these deep.
    """
    low_x = max((box[0] - margin) // 2, base[OX] + 1)
    high_x = min((box[1] + margin + 1) // 2, base[OX] + base[NX] - 1)
    low_y = max((box[2] - margin) // 2, base[OY] + 1)
    high_y = min((box[3] + margin + 1) // 2, base[OY] + base[NY] - 1)
    depth = min(max((box[4] + margin + 1) // 2, least), base[NZ] - 1)
    if high_x - low_x < 3 or high_y - low_y < 3:
        return False
    while True:
        nx, ny, nz = 2 * (high_x - low_x), 2 * (high_y - low_y), 2 * depth
        if (nx + 2) * (ny + 2) * (nz + 1) <= capacity:
            break
        # Too large for its buffer: give up the side farthest from the beam.
        gaps = (focus_x // 2 - low_x, high_x - focus_x // 2,
                focus_y // 2 - low_y, high_y - focus_y // 2)
        worst = 0
        for n in range(1, 4):
            if gaps[n] > gaps[worst]:
                worst = n
        cut = max(gaps[worst] // 8, 1)
        if worst == 0:
            low_x += cut
        elif worst == 1:
            high_x -= cut
        elif worst == 2:
            low_y += cut
        else:
            high_y -= cut
    new[NX], new[NY], new[NZ] = nx, ny, nz
    new[OX], new[OY] = 2 * low_x, 2 * low_y
    return True


@_compiled
def _reach(
    segment: Doubles, begin: float, end: float, spread: float, size: float, straight: bool,
    box: Ints
) -> None:
    """Extend ``box`` over where the beam on a segment may heat from ``begin`` to ``end`` (s).

    What comes after the segment is not looked at, as it may not be known yet: the beam goes on
    ``straight``, or may turn.
    """
    lasts = segment[1] - segment[0]
    vx, vy = (segment[4] - segment[2]) / lasts, (segment[5] - segment[3]) / lasts
    since = max(begin - segment[0], 0.0)
    x, y = segment[2] + since * vx, segment[3] + since * vy
    around = spread * segment[7] + size
    go_x, go_y = (end - begin) * vx, (end - begin) * vy
    if not straight:
        around += sqrt(go_x * go_x + go_y * go_y)
        go_x, go_y = 0.0, 0.0
    box[0] = min(box[0], floor((min(x, x + go_x) - around) / size))
    box[1] = max(box[1], floor((max(x, x + go_x) + around) / size) + 1)
    box[2] = min(box[2], floor((min(y, y + go_y) - around) / size))
    box[3] = max(box[3], floor((max(y, y + go_y) + around) / size) + 1)


@_compiled
def _leading(
    segments: Doubles, first: Ints, cursor: Ints, begin: float, end: float
) -> int:
    """The segment of the first beam that is on from ``begin`` to ``end`` (s), or -1.

    Moves the cursors of all beams on.
    """
    found = -1
    for b in range(cursor.size):
        while cursor[b] < first[b + 1] and segments[cursor[b], 1] <= begin:
            cursor[b] += 1
        s = cursor[b]
        while found < 0 and s < first[b + 1] and segments[s, 0] < end:
            if segments[s, 6] > 0.0:
                found = s
            s += 1
    return found


@_compiled
def _place(segment: Doubles, time: float) -> tuple[float, float]:
    """Where the beam on a segment is at a time (s)."""
    f = min(max((time - segment[0]) / (segment[1] - segment[0]), 0.0), 1.0)
    return (segment[2] + f * (segment[4] - segment[2]), segment[3] + f * (segment[5] - segment[3]))


@_compiled
def settle(
    us: Buffers, ts: Buffers, cs: Buffers, which: Ints,
    grids: Ints, powder: Ints, virgin: Floats, cell: float, x: Any, y: float, m: Floats,
    ledger: Doubles
) -> None:
    """All grids cold, the powder whole, centred on x, y (m); their sizes stay."""
    law = _law(m)
    levels = grids.shape[0]
    cold = potential(AMBIENT, law)
    ledger[LEFT] += content(us, which, grids, cell)
    for level in range(levels):
        size = cell * 2 ** (levels - 1 - level)
        grid = grids[level]
        if level == 0:
            grid[OX] = floor(x / size) - grid[NX] // 2
            grid[OY] = floor(y / size) - grid[NY] // 2
        else:
            base = grids[level - 1]
            grid[OX] = 2 * (base[OX] + (base[NX] - grid[NX] // 2) // 2)
            grid[OY] = 2 * (base[OY] + (base[NY] - grid[NY] // 2) // 2)
        plane = (grid[NX] + 2) * (grid[NY] + 2)
        for p in range((grid[NZ] + 1) * plane):
            us[0, level, p] = us[1, level, p] = AMBIENT
            ts[0, level, p] = ts[1, level, p] = cold
        if powder[level] > 0:
            for k in range(powder[level] + 1):
                c = virgin[level, k] if k < powder[level] else np.float32(1.0)
                for p in range(k * plane, (k + 1) * plane):
                    cs[0, level, p] = cs[1, level, p] = c


@_compiled
def content(us: Buffers, which: Ints, grids: Ints, cell: float) -> float:
    """Heat above the preheat (J) in all grids, each place counted in the finest one there."""
    levels = grids.shape[0]
    total = 0.0
    for level in range(levels):
        size = cell * 2 ** (levels - 1 - level)
        u = us[which[level, 0], level]
        grid = grids[level]
        row, plane = grid[NX] + 2, (grid[NX] + 2) * (grid[NY] + 2)
        x0, x1, y0, y1, z1 = 0, 0, 0, 0, 0
        if level + 1 < levels:
            fine = grids[level + 1]
            x0, y0 = fine[OX] // 2 - grid[OX], fine[OY] // 2 - grid[OY]
            x1, y1, z1 = x0 + fine[NX] // 2, y0 + fine[NY] // 2, fine[NZ] // 2
        part = 0.0
        for k in range(grid[NZ]):
            for j in range(grid[NY]):
                p = k * plane + (j + 1) * row + 1
                hidden = k < z1 and y0 <= j < y1
                for i in range(grid[NX]):
                    if not (hidden and x0 <= i < x1):
                        part += u[p + i] - AMBIENT
        total += part * size**3
    return total


@_compiled
def _surface(
    ts: Buffers, which: Ints, grids: Ints, cell: float, x: Any, y: float
) -> float:
    """Potential at a point of the surface, bilinear in the finest grid there; -1 outside all."""
    levels = grids.shape[0]
    for level in range(levels - 1, -1, -1):
        size = cell * 2 ** (levels - 1 - level)
        grid = grids[level]
        a = x / size - grid[OX] - 0.5
        b = y / size - grid[OY] - 0.5
        i, j = floor(a), floor(b)
        if 0 <= i < grid[NX] - 1 and 0 <= j < grid[NY] - 1:
            t = ts[which[level, 1], level]
            f, g = a - i, b - j
            p = (j + 1) * (grid[NX] + 2) + i + 1
            q = p + grid[NX] + 2
            near, far = (1 - f) * t[p] + f * t[p + 1], (1 - f) * t[q] + f * t[q + 1]
            return float((1 - g) * near + g * far)
    return -1.0


@_compiled
def _survey(
    u: Floats, t: Floats, c: Floats, powder: int, grid: Ints, size: float, x: Any, y: float,
    ex: float, ey: float, near: float, tail: Any, rim: Any, mark: npt.NDArray[np.uint8],
    todo: Ints, left: Doubles, right: Doubles, out: Doubles
) -> bool:
    """Pool around x, y on one grid, beam going along ex, ey; False if the pool reaches its edge.

    It is the one whose nearest molten cell lies less than ``near`` (m) away.
    ``tail``: potential whose isotherm ends the pool along the track; ``rim``: potential whose
    isotherm bounds its section. ``out``: ahead, behind (m), width, depth, hottest enthalpy, x and y
    of the rearmost point.
    """
    nx, ny, nz = grid[NX], grid[NY], grid[NZ]
    row, plane = nx + 2, (nx + 2) * (ny + 2)
    for p in range(nx * ny):
        mark[p] = 0
    # The molten cell nearest to the beam begins the pool.
    start, nearest = -1, near * near
    for j in range(ny):
        for i in range(nx):
            p = (j + 1) * row + i + 1
            if t[p] > tail and (powder == 0 or c[p] >= LOOSE):
                d = ((grid[OX] + i + 0.5) * size - x) ** 2 + ((grid[OY] + j + 0.5) * size - y) ** 2
                if d < nearest:
                    nearest, start = d, j * nx + i
    for n in range(7):
        out[n] = 0.0
    if start < 0:
        return True
    whole = True
    bins = left.size
    for n in range(bins):
        left[n], right[n] = 1e30, -1e30
    ahead, behind = -1e30, 1e30
    todo[0] = start
    mark[start] = 1
    count = 1
    depth = 0.0
    hottest = 0.0
    while count > 0:
        count -= 1
        cellno = todo[count]
        j, i = cellno // nx, cellno % nx
        p = (j + 1) * row + i + 1
        px, py = (grid[OX] + i + 0.5) * size - x, (grid[OY] + j + 0.5) * size - y
        h = t[p]
        hottest = max(hottest, u[p])
        if h > rim:
            q, k = p, 0
            while k + 1 < nz and t[q + plane] > rim:
                q += plane
                k += 1
            if k + 1 < nz:
                depth = max(depth, (k + 0.5 + (t[q] - rim) / (t[q] - t[q + plane])) * size)
            else:
                whole = False
                depth = max(depth, (k + 0.5) * size)
        for side in range(4):
            di = (1, -1, 0, 0)[side]
            dj = (0, 0, 1, -1)[side]
            a, b = i + di, j + dj
            if a < 0 or b < 0 or a >= nx or b >= ny:
                whole = False
                continue
            q = p + dj * row + di
            if t[q] > tail and (powder == 0 or c[q] >= LOOSE):
                if mark[b * nx + a] == 0:
                    mark[b * nx + a] = 1
                    todo[count] = b * nx + a
                    count += 1
            else:
                f = min((h - tail) / max(h - t[q], np.float32(1e-9)), 1.0) * size
                sx, sy = px + di * f, py + dj * f
                along = sx * ex + sy * ey
                ahead = max(ahead, along)
                if along < behind:
                    behind = along
                    out[5], out[6] = sx + x, sy + y
            if h > rim and t[q] <= rim:
                f = (h - rim) / (h - t[q]) * size
                sx, sy = px + di * f, py + dj * f
                n = floor((sx * ex + sy * ey) / size + 0.5) + bins // 2
                if 0 <= n < bins:
                    across = sy * ex - sx * ey
                    left[n] = min(left[n], across)
                    right[n] = max(right[n], across)
    width = 0.0
    for n in range(bins):
        width = max(width, right[n] - left[n])
    out[0], out[1], out[2], out[3], out[4] = ahead, behind, width, depth, hottest
    return whole


@_compiled
def measure(
    us: Buffers, ts: Buffers, cs: Buffers, which: Ints, grids: Ints, powder: Ints, cell: float,
    x: Any, y: float, ex: float, ey: float, near: float, tail: Any, rim: Any, cooled: Any,
    scratch: Scratch, out: Doubles
) -> None:
    """Pool at x, y (m) or less than ``near`` (m) away.

    ``out``: length, width, depth (m), hottest enthalpy (J/m3), distance it takes to cool (m); all
    0 where nothing melts through.

    ``cooled``: potential a fixed step below the solidus; the distance (m) is that from the rear
    end to there. Length comes from the finest grid that holds the whole pool.
    """
    levels = grids.shape[0]
    size = cell
    found = np.empty(7)
    edges, mark, todo = scratch
    left, right = edges[0], edges[1]
    for n in range(5):
        out[n] = 0.0
    for level in range(levels - 1, -1, -1):
        u = us[which[level, 0], level]
        t = ts[which[level, 1], level]
        whole = _survey(u, t, cs[which[level, 0], level], powder[level], grids[level], size, x, y,
                        ex, ey, near, tail, rim, mark, todo, left, right, found)
        if level == levels - 1:
            out[1], out[2], out[3] = found[2], found[3], found[4]
        if found[0] > found[1]:
            out[0] = found[0] - found[1]
        if whole:
            break
        size *= 2.0
    if out[1] <= 0.0 or out[2] <= 0.0:
        for n in range(5):
            out[n] = 0.0  # it only begins to melt
        return
    # Along the middle of the track: where it is solid again, and how far until it is cooler.
    px, py, far = x, y, 0.0
    here, level_sought, from_there = _surface(ts, which, grids, cell, x, y), tail, 0.0
    step = 0.5 * cell
    while far < 1e-2:
        following = _surface(ts, which, grids, cell, px - step * ex, py - step * ey)
        while following < level_sought <= here:
            crossing = far + step * (here - level_sought) / (here - following)
            if level_sought != tail:
                out[4] = crossing - from_there
                return
            from_there, level_sought = crossing, cooled
        px, py, here = px - step * ex, py - step * ey, following
        far += step


@_compiled
def _step_coarse(
    us: Buffers, ts: Buffers, cs: Buffers, which: Ints,
    grids: Ints, powder: Ints, cell: float, n: int, dt: float, m: Floats, ledger: Doubles
) -> None:
    """Step all grids but the finest that are due at step ``n``."""
    finest = grids.shape[0] - 1
    for level in range(finest):
        stride = 4 ** (finest - level)
        if n % stride != 0:
            continue
        size = cell * 2 ** (finest - level)
        now = which[level, 1]
        t, other = ts[now, level], ts[1 - now, level]
        _step(
            us[which[level, 0], level], t, other,
            cs[which[level, 0], level],
            grids[level, NX], grids[level, NY], grids[level, NZ], powder[level],
            dt * stride / size**2, m, level == 0, ledger, size**3,
        )
        which[level, 1] = 1 - which[level, 1]


@_compiled
def _follow(
    us: Buffers, ts: Buffers, cs: Buffers, which: Ints,
    grids: Ints, powder: Ints, virgin: Floats, cell: float, n: int, dt: float, m: Floats,
    segments: Doubles, first: Ints, cursor: Ints, beams: Doubles, closure: Doubles,
    thresholds: Floats, leader: int, ledger: Doubles
) -> None:
    """Before step ``n``: put the grids where the beams are going and where the metal is hot.

    The window follows the beam on segment ``leader``.
    """
    levels = grids.shape[0]
    count = beams.shape[0]
    finest = levels - 1
    box, hot = np.empty(5, np.int64), np.empty(5, np.int64)
    new = np.empty(GRID_COLUMNS, np.int64)
    none = np.zeros(GRID_COLUMNS, np.int64)
    begin = n * dt
    x, y = _place(segments[leader], begin)
    for level in range(levels):
        stride = 4 ** (finest - level)
        often = 4 * stride if level > 0 else stride
        if n % often == 0:
            size = cell * 2 ** (finest - level)
            grid = grids[level]
            # Nobody looks again before `often` steps are made.
            until = begin + often * dt
            box[0] = box[2] = FAR
            box[1] = box[3] = -FAR
            box[4] = 0
            reached = 0
            for later in (until, until + (3.0 if level == finest else 1.0) * often * dt):
                for b in range(count):
                    s = cursor[b]
                    if s < first[b + 1] and segments[s, 0] < until:
                        deep = beams[b, DEPTH] > closure[ONSET] * segments[s, 7]
                        spread = TAILS * (closure[SPREAD] if deep else closure[NARROW])
                        _reach(segments[s], begin, later, spread, size, level >= finest - 1, box)
                        reached = max(reached, int(beams[b, REACHED]))
                if later == until:
                    needed = (
                        box[0] < grid[OX] + 1 or box[1] > grid[OX] + grid[NX] - 1
                        or box[2] < grid[OY] + 1 or box[3] > grid[OY] + grid[NY] - 1
                    )
            if level == finest and reached + 1 >= grid[NZ]:
                needed = True
                box[4] = reached + 3
                for b in range(count):
                    beams[b, REACHED] = 0.0
            focus_x, focus_y = floor(x / size), floor(y / size)
            if level == 0:
                # The outermost window keeps its size and puts the beam in its middle.
                off_x = abs(focus_x - grid[OX] - grid[NX] // 2)
                off_y = abs(focus_y - grid[OY] - grid[NY] // 2)
                if needed or off_x > grid[NX] // 8 or off_y > grid[NY] // 8:
                    for e in range(GRID_COLUMNS):
                        new[e] = grid[e]
                    new[OX] = focus_x - grid[NX] // 2
                    new[OY] = focus_y - grid[NY] // 2
                    # Grids inside must stay inside.
                    if levels > 1:
                        inner = grids[1]
                        low = (inner[OX] + inner[NX]) // 2 + 1 - grid[NX]
                        new[OX] = min(max(new[OX], low), inner[OX] // 2 - 1)
                        low = (inner[OY] + inner[NY]) // 2 + 1 - grid[NY]
                        new[OY] = min(max(new[OY], low), inner[OY] // 2 - 1)
                    needed = new[OX] != grid[OX] or new[OY] != grid[OY]
                else:
                    needed = False
                base = none
            else:
                base = grids[level - 1]
                u = us[which[level, 0], level]
                looks = n % (4 * often) == 0
                if needed or looks:
                    hot[0] = hot[2] = FAR
                    hot[1] = hot[3] = -FAR
                    hot[4] = box[4]
                    _bounds(u, grid, thresholds[level], hot)
                    # What trails too far behind would hold the outermost window back.
                    limit = grids[0, NX] * (10 - level) * 2**level // 32
                    box[0] = min(box[0], max(hot[0], focus_x - limit))
                    box[1] = max(box[1], min(hot[1], focus_x + limit))
                    box[2] = min(box[2], max(hot[2], focus_y - limit))
                    box[3] = max(box[3], min(hot[3], focus_y + limit))
                    box[4] = hot[4]
                    # Moved as well if heat comes near its sides, or if it is far too large.
                    needed = needed or (
                        box[0] <= grid[OX] or box[1] >= grid[OX] + grid[NX]
                        or box[2] <= grid[OY] or box[3] >= grid[OY] + grid[NY]
                        or box[4] >= grid[NZ]
                        or (box[1] - box[0] + 8) * (box[3] - box[2] + 8) * (box[4] + 4)
                        < 0.8 * grid[NX] * grid[NY] * grid[NZ]
                    )
                if needed:
                    if level < finest:
                        inner = grids[level + 1]
                        box[0], box[1] = (min(box[0], inner[OX] // 2 - 1),
                                          max(box[1], (inner[OX] + inner[NX]) // 2 + 1))
                        box[2], box[3] = (min(box[2], inner[OY] // 2 - 1),
                                          max(box[3], (inner[OY] + inner[NY]) // 2 + 1))
                        box[4] = max(box[4], inner[NZ] // 2)
                    needed = _fit(new, box, base, 1 if level == finest else 2, us.shape[2],
                                  focus_x, focus_y,
                                  (powder[level] + 3) // 2)
                    if level < finest:
                        inner = grids[level + 1]
                        inside = (
                            inner[OX] // 2 > new[OX] and inner[OY] // 2 > new[OY]
                            and (inner[OX] + inner[NX]) // 2 < new[OX] + new[NX]
                            and (inner[OY] + inner[NY]) // 2 < new[OY] + new[NY]
                            and inner[NZ] // 2 < new[NZ]
                        )
                        needed = needed and inside
                    needed = needed and (
                        new[OX] != grid[OX] or new[OY] != grid[OY] or new[NX] != grid[NX]
                        or new[NY] != grid[NY] or new[NZ] != grid[NZ]
                    )
            if needed:
                volume = size**3
                w, e = which[level, 0], which[level, 1]
                u, other = us[w, level], us[1 - w, level]
                c, oc = cs[w, level], cs[1 - w, level]
                t = ts[e, level]
                if level == 0:
                    bu, bc, bp, bv = u, c, 0, virgin[0]
                else:
                    above = which[level - 1, 0]
                    bu, bc = us[above, level - 1], cs[above, level - 1]
                    bp, bv = powder[level - 1], virgin[level - 1]
                _regrid(u, c, grid, other, t, oc, new, powder[level], virgin[level],
                        bu, bc, base, bp, bv, m, ledger, volume)
                which[level, 0] = 1 - w
                for f in range(GRID_COLUMNS):
                    grids[level, f] = new[f]


@_compiled
def _irradiate(
    us: Buffers, ts: Buffers, cs: Buffers, which: Ints, grids: Ints, powder: Ints, virgin: Floats,
    cell: float, begin: float, end: float, m: Floats, segments: Doubles, first: Ints, cursor: Ints,
    beams: Doubles, closure: Doubles, ledger: Doubles, weights: Doubles
) -> None:
    """What the beams give from ``begin`` to ``end`` (s), into the finest grid at each."""
    finest = grids.shape[0] - 1
    none = np.zeros(GRID_COLUMNS, np.int64)
    for b in range(beams.shape[0]):
        s = cursor[b]
        while s < first[b + 1] and segments[s, 0] < end:
            t0, t1 = max(segments[s, 0], begin), min(segments[s, 1], end)
            if t1 <= t0 or segments[s, 6] <= 0.0:
                s += 1
                continue
            lasts = segments[s, 1] - segments[s, 0]
            vx = (segments[s, 4] - segments[s, 2]) / lasts
            vy = (segments[s, 5] - segments[s, 3]) / lasts
            since = 0.5 * (t0 + t1) - segments[s, 0]
            x, y = segments[s, 2] + since * vx, segments[s, 3] + since * vy
            sigma = segments[s, 7]
            if segments[s, 0] >= begin and (
                s == first[b] or segments[s - 1, 1] < segments[s, 0] - PAUSE
            ):
                # The keyhole closed while the beam was off.
                beams[b, DEPTH], beams[b, SINCE] = 0.0, segments[s, 0]
            level = finest
            while level > 0:
                size = cell * 2 ** (finest - level)
                g = grids[level]
                if (
                    x - sigma > g[OX] * size and x + sigma < (g[OX] + g[NX]) * size
                    and y - sigma > g[OY] * size and y + sigma < (g[OY] + g[NY]) * size
                ):
                    break
                level -= 1
            size = cell * 2 ** (finest - level)
            g = grids[level]
            flat = closure[FLAT]
            if powder[level] > 0:
                # Powder catches more of the light; what counts is what lies before the beam.
                speed = max(sqrt(vx * vx + vy * vy), 1e-9)
                i = floor((x + 2.0 * sigma * vx / speed) / size) - g[OX]
                j = floor((y + 2.0 * sigma * vy / speed) / size) - g[OY]
                if 0 <= i < g[NX] and 0 <= j < g[NY] and virgin[level, 0] < np.float32(1.0):
                    c = cs[which[level, 0], level, (j + 1) * (g[NX] + 2) + i + 1]
                    bed = (np.float32(1.0) - c) / (np.float32(1.0) - virgin[level, 0])
                    flat += (closure[BEDDED] - flat) * bed
            if segments[s, 0] >= begin and level == 0 and not (
                0 <= floor(x / size) - g[OX] < g[NX] and 0 <= floor(y / size) - g[OY] < g[NY]
            ):
                # Jumped away within this step: the window comes after with the next.
                beams[b, WAITING] += segments[s, 6] * (t1 - t0) * flat
                s += 1
                continue
            back = min(closure[TRAIL], max(0.5 * (t0 + t1) - beams[b, SINCE], 0.0))
            _heat(
                us[which[level, 0], level], ts[which[level, 1], level], g,
                grids[level + 1] if level < finest else none, size, x, y, x - back * vx,
                y - back * vy, sigma, segments[s, 6] * (t1 - t0), flat,
                1.0 - (1.0 - closure[RELAX]) ** ((t1 - t0) / (end - begin)), beams[b], closure, m,
                weights, ledger,
            )
            s += 1


@_compiled
def advance(
    us: Buffers, ts: Buffers, cs: Buffers, which: Ints,
    grids: Ints, powder: Ints, virgin: Floats, cell: float, step: int, steps: int, dt: float,
    m: Floats, losses: Floats, per: float, segments: Doubles, first: Ints, cursor: Ints,
    beams: Doubles, closure: Doubles, thresholds: Floats, ledger: Doubles, weights: Doubles
) -> None:
    """Make ``steps`` steps of the finest grid from step number ``step``.

    ``segments`` (n, 8): begin, end, x0, y0, x1, y1, power, sigma, beam after beam; ``first``
    (beams + 1,) where each beam's begin. ``cursor`` keeps each beam's place between calls.
    """
    finest = grids.shape[0] - 1
    pause = max(1, int(EVAPORATION_STEP / dt))
    for n in range(step, step + steps):
        begin = n * dt
        leader = _leading(segments, first, cursor, begin, begin + dt)
        if leader >= 0:
            x, y = _place(segments[leader], begin)
            size = cell * 2**finest
            off_x = abs(x / size - grids[0, OX] - 0.5 * grids[0, NX])
            off_y = abs(y / size - grids[0, OY] - 0.5 * grids[0, NY])
            if off_x > 0.4 * grids[0, NX] or off_y > 0.4 * grids[0, NY]:
                # Jumped away: what was heated before is too far to matter.
                settle(us, ts, cs, which, grids, powder, virgin, cell, x, y, m, ledger)
            if n % 4 == 0 or finest == 0:
                _follow(us, ts, cs, which, grids, powder, virgin, cell, n, dt, m, segments, first,
                        cursor, beams, closure, thresholds, leader, ledger)
        if n % 4 == 0:
            # What crosses the interfaces first, so that both sides count it from one moment.
            for level in range(finest):
                stride = 4 ** (finest - level)
                if n % stride == 0:
                    size = cell * 2 ** (finest - level)
                    _exchange(
                        ts[which[level, 1], level],
                        cs[which[level, 0], level],
                        grids[level], powder[level], dt * stride / size**2,
                        us[which[level + 1, 0], level + 1],
                        cs[which[level + 1, 0], level + 1],
                        grids[level + 1], powder[level + 1],
                    )
            _step_coarse(us, ts, cs, which, grids, powder, cell, n, dt, m, ledger)
        _irradiate(us, ts, cs, which, grids, powder, virgin, cell, begin, begin + dt, m, segments,
                   first, cursor, beams, closure, ledger, weights)
        u = us[which[finest, 0], finest]
        c = cs[which[finest, 0], finest]
        now = which[finest, 1]
        t, other = ts[now, finest], ts[1 - now, finest]
        if n % pause == 0:
            _evaporate(u, t, grids[finest], cell, pause * dt, m[FUMES], HOTTEST, m, losses, per,
                       ledger)
        if n % (8 * pause) == 0:
            # What only glows loses little in that time.
            _evaporate(u, t, grids[finest], cell, 8 * pause * dt, m[SOLIDUS], m[FUMES], m, losses,
                       per, ledger)
        _step(u, t, other, c, grids[finest, NX], grids[finest, NY], grids[finest, NZ],
              powder[finest], dt / cell**2, m, finest == 0, ledger, cell**3)
        which[finest, 1] = 1 - which[finest, 1]
        if (n + 1) % 4 == 0:
            for level in range(finest - 1, -1, -1):
                if (n + 1) % 4 ** (finest - level) != 0:
                    break
                _restrict(
                    us[which[level, 0], level],
                    ts[which[level, 1], level],
                    cs[which[level, 0], level],
                    grids[level], powder[level],
                    us[which[level + 1, 0], level + 1],
                    cs[which[level + 1, 0], level + 1],
                    grids[level + 1], powder[level + 1], m,
                )

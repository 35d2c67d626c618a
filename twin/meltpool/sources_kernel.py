"""Compiled core of the moving-sources level: time nodes, old heat, keyhole closure, isotherms.

A path's heat is a sum over time nodes. A node ``tau`` before the query has spread to the variance
``sigma2 + 2 a tau`` in the plane and ``z02 + 2 a tau`` in depth (Gaussian heat kernel on a half
space, Carslaw and Jaeger 1959; moving Gaussian beam, Eagar and Tsai 1983). Everything here works on
one query at a time and remembers nothing, so results do not depend on how queries are grouped.

Keyhole: the surface takes what it took when it began to boil; everything absorbed beyond that goes
down the keyhole, whose depth follows from the heat that a line source needs to keep its wall at
boiling (Lankalapalli et al. 1996, doi 10.1088/0022-3727/29/7/018; Fabbro 2010, doi
10.1088/0022-3727/43/44/445501). A deeper keyhole catches more of the light (Gouffe 1945). Heat put
in at any point never falls when power rises, so neither does any isotherm.

All in one file: numba's cache on disk sees changes of a function's own file only.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, inf, log, pi, sqrt
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit

NODES: Final = 640  # most time nodes of one query; older heat goes to the far field
SPACING: Final = 1.2  # beam travel between nodes over the width the heat has spread to
SPREADING: Final = 4.0  # nodes per e-fold of that width for a beam at rest
REACH: Final = 6.0  # standard deviations beyond which a node is not felt
HORIZON: Final = 10e-3  # s; older heat is the far field
ITERATIONS: Final = 16  # of the closure
# Part of the rise to boiling that is left where old heat already boils the metal.
LEAST_RISE: Final = 0.2
# Depth of the surface source over sigma, fitted to widths of conduction pools: stirring carries
# heat down.
FIRST_DEPTH: Final = 0.3

# Rows of the node array.
(X, Y, INVERSE, BASE, SPREAD, POWER, SURFACE, DEEP, DEPTH2, AT_TOP, TOP_DECAY, BELOW,
 DECAY) = range(13)
ROWS: Final = 13
# Whose node: other heat, the same beam since it was last switched on, the vector being marked.
OTHER, OWN, PRESENT = 0, 1, 2

# Entries of the metal vector.
M_SOLIDUS, M_BOILING, M_DEEP_ABSORPTIVITY, M_DEPRESSION, M_REACH, M_TRAPPING = range(6)

# What to find out: steady pools of separate tracks, pools on paths, or just the closure.
STEADY, ALONG, CLOSE = range(3)

# Columns of a query, of its closure, and of its answer.
(Q_TIME, Q_X, Q_Y, Q_UX, Q_UY, Q_SPEED, Q_SIGMA, Q_POWER, Q_T0, Q_A, Q_RHOCP, Q_FLAT, Q_REACH,
 Q_WIDE, Q_TAIL) = range(15)
QUERY: Final = 15
A_LENGTH, A_WIDTH, A_DEPTH, A_PEAK, A_COOL, A_RATIO, A_ABSORBED, A_BACKGROUND, A_LIT = range(9)
ANSWER: Final = 9
C_SURFACE, C_DEEP, C_SZ = range(3)

_GAUSS: Final = [np.polynomial.legendre.leggauss(n) for n in range(1, 5)]
_POINT: Final = np.array([np.pad(0.5 * (1.0 + g[0]), (0, 4 - len(g[0]))) for g in _GAUSS])
_WEIGHT: Final = np.array([np.pad(0.5 * g[1], (0, 4 - len(g[1]))) for g in _GAUSS])

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _fast(function: _Function) -> _Function:
    """Compile; sums may be reordered, always in the same way, so that loops vectorise."""
    order = {"reassoc", "contract", "nsz", "arcp"}
    return cast(_Function, njit(cache=True, nogil=True, fastmath=order)(function))


@_fast
def decay(x: float) -> float:
    """exp(x) for x <= 0 to 1e-10 relative, 0 below -45; without branches, so loops vectorise."""
    y = max(x, -45.0) * 0.015625
    p = 1.0 + y * (1.0 + y * (0.5 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y * (
        1 / 720 + y * (1 / 5040 + y * (1 / 40320 + y / 362880))))))))
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return p


@_fast
def gather(
    nodes: Any, kinds: Any, segments: Any, closures: Any, sources: Any, query: Any,
    horizon: float, reach: float, plate: float, bottom: float, own_source: int,
) -> int:
    """Fill ``nodes`` for one query in its own frame (x along the beam) and count them; -1 if they
    do not fit, then a shorter ``horizon`` (s) is to be tried.

    Every stay of a beam on a vector is cut into panels of at most four Gauss nodes in sqrt(tau);
    a panel grows with the width its heat has spread to.
    """
    time, x0, y0 = query[Q_TIME], query[Q_X], query[Q_Y]
    ux, uy, a = query[Q_UX], query[Q_UY], query[Q_A]
    coefficient = 2.0 / (query[Q_RHOCP] * (2.0 * pi) ** 1.5)
    count = 0
    for s in range(sources.shape[0]):
        first, last = int(sources[s, 0]), int(sources[s, 0] + sources[s, 1])
        # The last segment that has begun.
        low, high = first, last
        while low < high:
            middle = (low + high) // 2
            if segments[middle, 0] < time:
                low = middle + 1
            else:
                high = middle
        lit = True
        for k in range(low - 1, first - 1, -1):
            begin, end = segments[k, 0], segments[k, 1]
            if k < low - 1 or time > end:
                later = time if k == low - 1 else segments[k + 1, 0]
                if later - end > 1e-9:
                    lit = False
            tau = max(time - end, 0.0)
            if tau >= horizon:
                break
            kind = OTHER
            if s == own_source and lit:
                kind = PRESENT if k == low - 1 else OWN
            oldest = min(time - begin, horizon)
            vx, vy, sigma = segments[k, 4], segments[k, 5], segments[k, 7]
            power = segments[k, 6]
            speed = sqrt(vx * vx + vy * vy)
            sigma2 = sigma * sigma
            z02 = (FIRST_DEPTH * sigma) ** 2
            while tau < oldest * (1.0 - 1e-12):
                width = sqrt(sigma2 + 2.0 * a * tau)
                rate = speed / (a * SPACING) + SPREADING / width
                if width < 1.6 * sigma:  # young heat is as steep as the beam and shallower
                    rate *= 2.0
                grown = width + 4.0 / rate
                until = (grown * grown - sigma2) / (2.0 * a)
                n = 4
                if until >= oldest:
                    until = oldest
                    n = ceil((sqrt(sigma2 + 2.0 * a * until) - width) * rate)
                    n = min(max(n, 1), 4)
                # Where the middle of the panel lay, and whether its heat is felt.
                middle = time - 0.5 * (tau + until) - begin
                px = sources[s, 2] + sources[s, 3] * (segments[k, 2] + vx * middle) - x0
                py = sources[s, 4] + sources[s, 5] * (segments[k, 3] + vy * middle) - y0
                far = reach + REACH * sqrt(sigma2 + 2.0 * a * until) + 0.5 * speed * (until - tau)
                if px * px + py * py < far * far and power > 0.0:
                    if count + n > NODES:
                        return -1
                    root, step = sqrt(tau), sqrt(until) - sqrt(tau)
                    for j in range(n):
                        u = root + step * _POINT[n - 1, j]
                        age = u * u
                        dt = 2.0 * u * step * _WEIGHT[n - 1, j]
                        at = time - age - begin
                        px = sources[s, 2] + sources[s, 3] * (segments[k, 2] + vx * at) - x0
                        py = sources[s, 4] + sources[s, 5] * (segments[k, 3] + vy * at) - y0
                        variance = sigma2 + 2.0 * a * age
                        nodes[X, count] = px * ux + py * uy
                        nodes[Y, count] = py * ux - px * uy
                        nodes[INVERSE, count] = 0.5 / variance
                        base = coefficient * dt / variance
                        if plate < inf:
                            base *= images(plate, bottom, 2.0 * a * age, 0.0)
                        nodes[BASE, count] = base
                        nodes[SPREAD, count] = 2.0 * a * age + z02
                        nodes[POWER, count] = power
                        nodes[SURFACE, count] = closures[k, C_SURFACE]
                        nodes[DEEP, count] = closures[k, C_DEEP]
                        nodes[DEPTH2, count] = closures[k, C_SZ] ** 2
                        kinds[count] = kind
                        count += 1
                tau = until
    return count


@_fast
def images(plate: float, bottom: float, spread: float, z: float) -> float:
    """Share of a surface source felt at depth z of a plate; ``bottom`` +1 insulated, -1 cold."""
    total, sign = exp(-0.5 * z * z / spread), 1.0
    if plate == inf:
        return total
    for n in range(1, 200):
        sign *= bottom
        part = exp(-0.5 * (z - 2.0 * n * plate) ** 2 / spread)
        total += sign * (part + exp(-0.5 * (z + 2.0 * n * plate) ** 2 / spread))
        if part < 1e-9:
            break
    return max(total, 0.0)


@_fast
def far_field(
    out: Any, segments: Any, totals: Any, sources: Any, query: Any, span: float, cut: float,
    plate: float, bottom: float, z: float, stack: Any,
) -> None:
    """Rise from heat older than ``cut`` at four points of one query, ``z`` deep: 0, -span and
    -2 span along x, and span across.

    Runs of vectors are lumped into one Gaussian of equal energy, centre and spread.
    ``totals`` are running sums over the segments: energy, its moments x, y, xx, yy, xy, and time.
    """
    time, x0, y0 = query[Q_TIME], query[Q_X], query[Q_Y]
    ux, uy, a = query[Q_UX], query[Q_UY], query[Q_A]
    coefficient = 2.0 / (query[Q_RHOCP] * (2.0 * pi) ** 1.5)
    out[:] = 0.0
    for s in range(sources.shape[0]):
        first = int(sources[s, 0])
        last = first + int(sources[s, 1])
        low, high = first, last
        while low < high:  # segments begun before the cut
            middle = (low + high) // 2
            if segments[middle, 0] < time - cut:
                low = middle + 1
            else:
                high = middle
        if low == first:
            continue
        depth = 0
        if segments[low - 1, 1] > time - cut:  # this one reaches over the cut: on its own
            stack[0, 0], stack[0, 1] = low - 1, low
            depth = 1
            low -= 1
        if low > first:
            stack[depth, 0], stack[depth, 1] = first, low
            depth += 1
        while depth > 0:
            depth -= 1
            lo, hi = stack[depth, 0], stack[depth, 1]
            youngest = max(time - segments[hi - 1, 1], cut)
            oldest = time - segments[lo, 0]
            single = hi - lo == 1
            if single:
                power = (totals[hi, 0] - totals[lo, 0]) / (segments[lo, 1] - segments[lo, 0])
                speed = sqrt(segments[lo, 4] ** 2 + segments[lo, 5] ** 2)
                if power <= 0.0:
                    continue
            else:
                energy = totals[hi, 0] - totals[lo, 0]
                if energy <= 0.0:
                    continue
                mx = (totals[hi, 1] - totals[lo, 1]) / energy
                my = (totals[hi, 2] - totals[lo, 2]) / energy
                vxx = max((totals[hi, 3] - totals[lo, 3]) / energy - mx * mx, 0.0)
                vyy = max((totals[hi, 4] - totals[lo, 4]) / energy - my * my, 0.0)
                vxy = (totals[hi, 5] - totals[lo, 5]) / energy - mx * my
                age = time - (totals[hi, 6] - totals[lo, 6]) / energy
                heat = 2.0 * a * age
                px = sources[s, 2] + sources[s, 3] * mx - x0
                py = sources[s, 4] + sources[s, 5] * my - y0
                wide = sqrt(vxx + vyy)
                if sqrt(px * px + py * py) > 3.0 * wide + REACH * sqrt(2.0 * a * oldest) + 3 * span:
                    continue
                # Older heat matters less and is smoother: it may be lumped more coarsely.
                coarse = 0.3 * (1.0 + age / (5.0 * HORIZON))
                if oldest - youngest > 0.7 * age or vxx + vyy > coarse * heat:
                    middle = (lo + hi) // 2
                    stack[depth, 0], stack[depth, 1] = lo, middle
                    stack[depth + 1, 0], stack[depth + 1, 1] = middle, hi
                    depth += 2
                    continue
            while youngest < oldest:
                if single:  # pieces of this vector, longer the older they are
                    step = 0.4 * youngest
                    if speed > 0.0:
                        step = min(step, sqrt(2.0 * a * youngest) / speed)
                    step = min(step, oldest - youngest)
                    energy = power * step
                    age = youngest + 0.5 * step
                    youngest = oldest if oldest - youngest <= 1.0001 * step else youngest + step
                    at = time - age - segments[lo, 0]
                    heat = 2.0 * a * age
                    mx = segments[lo, 2] + segments[lo, 4] * at
                    my = segments[lo, 3] + segments[lo, 5] * at
                    spread2 = segments[lo, 7] ** 2
                    vxx = spread2 + (segments[lo, 4] * step) ** 2 / 12.0
                    vyy = spread2 + (segments[lo, 5] * step) ** 2 / 12.0
                    vxy = segments[lo, 4] * segments[lo, 5] * step * step / 12.0
                else:
                    youngest = oldest
                px = sources[s, 2] + sources[s, 3] * mx - x0
                py = sources[s, 4] + sources[s, 5] * my - y0
                cxx, cyy = vxx + heat, vyy + heat
                cxy = vxy * sources[s, 3] * sources[s, 5]
                limit = 3.0 * span + REACH * sqrt(max(cxx, cyy))
                if px * px + py * py > limit * limit:
                    continue
                det = cxx * cyy - cxy * cxy
                amount = coefficient * energy / sqrt(det * heat)
                amount *= images(plate, bottom, heat, z)
                for p in range(4):
                    dx, dy = px, py
                    if p < 3:
                        dx += p * span * ux
                        dy += p * span * uy
                    else:
                        dx += span * uy
                        dy -= span * ux
                    form = (dx * dx * cyy - 2.0 * dx * dy * cxy + dy * dy * cxx) / det
                    out[p] += amount * exp(-0.5 * form)


@_fast
def weigh(nodes: Any, count: int, w: Any) -> None:
    """Weights of the nodes at the surface; and, for other depths, their two parts and how these
    decay with the depth squared.
    """
    for j in range(count):
        top = nodes[SPREAD, j]
        below = top + nodes[DEPTH2, j]
        nodes[AT_TOP, j] = nodes[BASE, j] * nodes[SURFACE, j] / sqrt(top)
        nodes[BELOW, j] = nodes[BASE, j] * nodes[DEEP, j] / sqrt(below)
        nodes[TOP_DECAY, j] = -0.5 / top
        nodes[DECAY, j] = -0.5 / below
        w[j] = nodes[AT_TOP, j] + nodes[BELOW, j]


@_fast
def slope_below(
    nodes: Any, count: int, x: float, y: float, z2: float
) -> tuple[float, float, float, float]:
    """Rise at (x, y) and depth sqrt(z2), its derivatives to x and z2, and the second to x."""
    total, tx, tz, txx = 0.0, 0.0, 0.0, 0.0
    for j in range(count):
        dx, dy, i = x - nodes[X, j], y - nodes[Y, j], nodes[INVERSE, j]
        plane = decay(-(dx * dx + dy * dy) * i)
        hs, hd = nodes[TOP_DECAY, j], nodes[DECAY, j]
        top = plane * nodes[AT_TOP, j] * decay(z2 * hs)
        below = plane * nodes[BELOW, j] * decay(z2 * hd)
        g = top + below
        total += g
        gx = -2.0 * i * dx * g
        tx += gx
        tz += top * hs + below * hd
        txx += -2.0 * i * (g + dx * gx)
    return total, tx, tz, txx


@_fast
def rise(nodes: Any, count: int, w: Any, x: float, y: float) -> float:
    """Temperature rise of the nodes at (x, y)."""
    total = 0.0
    for j in range(count):
        dx, dy = x - nodes[X, j], y - nodes[Y, j]
        total += w[j] * decay(-(dx * dx + dy * dy) * nodes[INVERSE, j])
    return total


@_fast
def slope(nodes: Any, count: int, w: Any, x: float, y: float) -> tuple[float, float, float, float]:
    """Rise at (x, y), its derivatives to x and y, and the second to x."""
    total, tx, ty, txx = 0.0, 0.0, 0.0, 0.0
    for j in range(count):
        dx, dy, i = x - nodes[X, j], y - nodes[Y, j], nodes[INVERSE, j]
        g = w[j] * decay(-(dx * dx + dy * dy) * i)
        total += g
        gx = -2.0 * i * dx * g
        tx += gx
        ty += -2.0 * i * dy * g
        txx += -2.0 * i * (g + dx * gx)
    return total, tx, ty, txx


@_fast
def closure(
    nodes: Any, kinds: Any, count: int, query: Any, metal: Any, old: float, w: Any, out: Any
) -> tuple[float, float, float]:
    """Boiling ratio, absorbed fraction and heat (K) of earlier beams at the beam.

    ``out`` gets what the beam's present vector puts in: power at the surface and in the keyhole
    per watt, and the depth (m) the latter is spread over. ``old`` is the far field at the beam (K).
    """
    sigma, flat = query[Q_SIGMA], query[Q_FLAT]
    weigh(nodes, count, w[0])
    background = old
    for j in range(count):
        if kinds[j] == OTHER:
            i = nodes[INVERSE, j]
            background += w[0, j] * decay(-(nodes[X, j] ** 2 + nodes[Y, j] ** 2) * i)
            w[0, j] = 0.0
            w[1, j] = 0.0
        else:
            w[1, j] = nodes[BASE, j] * nodes[POWER, j] * (0.5 * sqrt(2.0 * pi))
            w[0, j] = nodes[BASE, j] * nodes[POWER, j] / sqrt(nodes[SPREAD, j])
    boiling = metal[M_BOILING] - query[Q_T0]
    needed = max(boiling - background, LEAST_RISE * boiling)
    surface, line = 0.0, 0.0
    # The hottest place trails a fast beam.
    for trail in (0.0, 0.35, 0.7, 1.1, 1.6, 2.2):
        surface = max(surface, rise(nodes, count, w[0], -trail * sigma, 0.0))
        line = max(line, rise(nodes, count, w[1], -trail * sigma, 0.0))
    out[0] = flat
    out[1] = 0.0
    out[2] = 0.0
    if surface <= 0.0 or query[Q_POWER] <= 0.0:
        return 0.0, flat, background
    onset = metal[M_DEPRESSION] * needed / surface
    absorbed = flat
    limit = max(metal[M_DEEP_ABSORPTIVITY], flat)
    reach = metal[M_REACH] * line / needed
    # Repeated a set number of times: continuous even where feedback makes the onset abrupt.
    for _ in range(ITERATIONS):
        depth = reach * max(absorbed - onset, 0.0)
        absorbed = flat + (limit - flat) * (1.0 - exp(-depth / (4.0 * sigma * metal[M_TRAPPING])))
    beyond = max(absorbed - onset, 0.0)
    out[0] = absorbed - beyond
    out[1] = beyond
    out[2] = reach * beyond
    return flat * surface / needed, absorbed, background


@_fast
def _old(far: Any, span: float, x: float, y: float) -> tuple[float, float, float, float]:
    """Far field at (x, y), its derivatives to x and y and the second to x, from four points."""
    second = (far[2] - 2.0 * far[1] + far[0]) / (span * span)
    first = (far[0] - far[1]) / span + 0.5 * second * span
    across = (far[3] - far[0]) / span
    inside = min(max(x, -2.5 * span), 0.5 * span)
    value = far[0] + inside * (first + 0.5 * inside * second) + across * y
    return value, first + inside * second, across, second


@_fast
def _crossing(
    nodes: Any, count: int, w: Any, far: Any, span: float, level: float,
    cold: float, hot: float,
) -> float:
    """Where on the centre line between ``cold`` and ``hot`` the rise is ``level``."""
    x = cold
    for step in range(40):
        total, tx, _, _ = slope(nodes, count, w, x, 0.0)
        old, ox, _, _ = _old(far, span, x, 0.0)
        excess = log(max(total, 1e-30) / max(level - old, 1e-3))
        if excess < 0.0:
            cold = x
        else:
            hot = x
        if abs(hot - cold) < 1e-8 or abs(excess) < 2e-4:
            break
        rate = tx / max(total, 1e-30) + ox / max(level - old, 1e-3)
        x = x - excess / rate if rate != 0.0 else 0.5 * (cold + hot)
        low, high = min(cold, hot), max(cold, hot)
        if not low < x < high or step > 8:
            x = 0.5 * (cold + hot)
    return x


@_fast
def _sideways(
    nodes: Any, count: int, w: Any, far: Any, span: float, level: float, x: float,
    y: float, side: float, sigma: float,
) -> float:
    """Largest distance from the centre line to the isotherm on one side.

    Newton in x for the widest section and in y squared, in which the log of the rise is nearly
    straight.
    """
    for _ in range(24):
        total, tx, ty, txx = slope(nodes, count, w, x, side * y)
        old, ox, oy, oxx = _old(far, span, x, side * y)
        room = max(level - old, 1e-3)
        total = max(total, 1e-30)
        lx = tx / total + ox / room
        lxx = txx / total - (tx / total) ** 2 + oxx / room
        excess = log(total / room)
        dx = 0.0
        most = 0.5 * (sigma + y)
        if lxx < 0.0:
            dx = min(max(-lx / lxx, -most), most)
        elif lx != 0.0:
            dx = most if lx > 0.0 else -most
        gain = side * (ty / total + oy / room) / (2.0 * y)
        y2 = y * y - (excess + 0.5 * lx * dx) / gain if gain < 0.0 else 4.0 * y * y
        y2 = min(max(y2, 0.1 * y * y), 4.0 * y * y)
        x += dx
        change = abs(sqrt(y2) - y)
        y = sqrt(y2)
        if y < 0.02 * sigma or (
            change < 2e-3 * y and abs(dx) < 0.05 * y and abs(excess) < 0.02
        ):
            return y
    # No rest found: at least what is hot in this section.
    hot, cold = 0.0, y
    for _ in range(24):
        y = 0.5 * (hot + cold)
        if rise(nodes, count, w, x, side * y) + _old(far, span, x, side * y)[0] > level:
            hot = y
        else:
            cold = y
    return hot


@_fast
def _downwards(
    nodes: Any, count: int, far: Any, span: float, level: float, x: float, z: float, sigma: float,
) -> float:
    """Largest depth of the isotherm under the centre line, as `_sideways`."""
    for _ in range(24):
        total, tx, down, txx = slope_below(nodes, count, x, 0.0, z * z)
        old, ox, _, oxx = _old(far, span, x, 0.0)
        room = max(level - old, 1e-3)
        total = max(total, 1e-30)
        lx = tx / total + ox / room
        lxx = txx / total - (tx / total) ** 2 + oxx / room
        excess = log(total / room)
        dx = 0.0
        most = 0.5 * (sigma + z)
        if lxx < 0.0:
            dx = min(max(-lx / lxx, -most), most)
        elif lx != 0.0:
            dx = most if lx > 0.0 else -most
        gain = down / total
        z2 = z * z - (excess + 0.5 * lx * dx) / gain if gain < 0.0 else 4.0 * z * z
        z2 = min(max(z2, 0.1 * z * z), 4.0 * z * z)
        x += dx
        change = abs(sqrt(z2) - z)
        z = sqrt(z2)
        if z < 0.02 * sigma or (
            change < 2e-3 * z and abs(dx) < 0.05 * z and abs(excess) < 0.02
        ):
            return z
    hot, cold = 0.0, z
    old = _old(far, span, x, 0.0)[0]
    for _ in range(24):
        z = 0.5 * (hot + cold)
        if slope_below(nodes, count, x, 0.0, z * z)[0] + old > level:
            hot = z
        else:
            cold = z
    return hot


@_fast
def pool(
    nodes: Any, count: int, w: Any, far: Any, span: float, query: Any, melting: float,
    answer: Any,
) -> None:
    """Length, width, depth, peak rise and cooling rate of one pool, into ``answer``."""
    sigma, a = query[Q_SIGMA], query[Q_A]
    answer[A_LENGTH] = answer[A_WIDTH] = answer[A_DEPTH] = answer[A_COOL] = 0.0
    weigh(nodes, count, w[0])
    section = melting + query[Q_WIDE]
    tail_level = melting - query[Q_TAIL]
    # Backwards along the centre line: the hottest place, then the first one below the level.
    x, step, hottest, peak = 1.0 * sigma, 0.5 * sigma, 0.0, -1.0
    before, last, cold = x, peak, -inf
    while x > -4.0 * query[Q_REACH] - 8.0 * sigma:
        value = rise(nodes, count, w[0], x, 0.0) + _old(far, span, x, 0.0)[0]
        if value > peak:
            peak, hottest = value, x
        elif value < tail_level and (peak > tail_level or x < -4.0 * sigma - 0.5 * span):
            cold = x
            break
        before, last = x, value
        x -= step
        if x < -2.0 * sigma:
            step *= 1.25
    # The summit between samples.
    for _ in range(4):
        total, tx, _, txx = slope(nodes, count, w[0], hottest, 0.0)
        old, ox, _, oxx = _old(far, span, hottest, 0.0)
        peak = max(peak, total + old)
        if txx + oxx < 0.0:
            hottest += min(max(-(tx + ox) / (txx + oxx), -0.4 * sigma), 0.4 * sigma)
    answer[A_PEAK] = peak
    if peak <= section:
        return
    if cold == -inf:
        cold = x
    # A pool that has only just melted has no latent heat to give back.
    given = section - tail_level
    tail_level = section - given * (1.0 - exp((section - peak) / max(given, 1e-3)))
    if last < tail_level:
        before = hottest
    tail = _crossing(nodes, count, w[0], far, span, tail_level, cold, before)
    ahead, step = hottest, sigma
    while ahead < hottest + 400.0 * sigma:
        ahead += step
        step *= 1.5
        if rise(nodes, count, w[0], ahead, 0.0) + _old(far, span, ahead, 0.0)[0] < section:
            break
    front = _crossing(nodes, count, w[0], far, span, section, ahead, hottest)
    answer[A_LENGTH] = front - tail
    # Cooling at a fixed point of the track: the heat equation, a times the Laplacian.
    change = 0.0
    for j in range(count):
        dx, dy, i = tail - nodes[X, j], nodes[Y, j], nodes[INVERSE, j]
        g = w[0, j] * decay(-(dx * dx + dy * dy) * i)
        plane = 4.0 * i * (i * (dx * dx + dy * dy) - 1.0)
        fade = nodes[AT_TOP, j] * nodes[TOP_DECAY, j] + nodes[BELOW, j] * nodes[DECAY, j]
        change += a * g * (plane + 2.0 * fade / max(w[0, j], 1e-30))
    answer[A_COOL] = max(-change, 0.0)
    # Where the rise stands just above the level, the isotherm is about a paraboloid.
    start = sigma * min(sqrt(2.0 * log(peak / section)), 1.5)
    # A fast beam's pool may be widest at the beam or far behind it: both are looked at.
    lag = hottest - 0.4 * (hottest - tail) if hottest - tail > 3.0 * sigma else hottest
    wide = 0.0
    for side in (1.0, -1.0):
        most = _sideways(nodes, count, w[0], far, span, section, hottest, start, side, sigma)
        if lag < hottest:
            guess = max(most, start)
            most = max(most, _sideways(
                nodes, count, w[0], far, span, section, lag, guess, side, sigma))
        wide += most
    answer[A_WIDTH] = wide
    deep = _downwards(nodes, count, far, span, section, hottest, 0.7 * start, sigma)
    if lag < hottest:
        guess = max(deep, 0.7 * start)
        deep = max(deep, _downwards(nodes, count, far, span, section, lag, guess, sigma))
    answer[A_DEPTH] = deep


@_fast
def solve(
    task: int, queries: Any, segments: Any, closures: Any, totals: Any, sources: Any, own: int,
    metal: Any, plate: float, bottom: float, answers: Any, out: Any,
) -> None:
    """Answer every query; ``out`` gets what the beam puts in at that moment, see `closure`."""
    nodes = np.empty((ROWS, NODES))
    kinds = np.empty(NODES, np.int64)
    w = np.empty((2, NODES))
    far = np.zeros(4)
    stack = np.empty((128, 2), np.int64)
    for i in range(queries.shape[0]):
        query, answer = queries[i], answers[i]
        reach = query[Q_REACH]
        span = max(0.4 * reach, 2.0 * query[Q_SIGMA])
        around = sources[i:i + 1] if task == STEADY else sources
        horizon = inf if task == STEADY else HORIZON
        count = gather(
            nodes, kinds, segments, closures, around, query, horizon, reach, plate, bottom, own)
        while count < 0:
            horizon = min(0.7 * horizon, query[Q_TIME])
            count = gather(
                nodes, kinds, segments, closures, around, query, horizon, reach, plate, bottom, own)
        if task != STEADY:
            far_field(
                far, segments, totals, sources, query, span, horizon, plate, bottom, 0.0, stack)
        ratio, absorbed, background = closure(
            nodes, kinds, count, query, metal, far[0], w, out[i])
        answer[A_RATIO], answer[A_ABSORBED] = ratio, absorbed
        answer[A_BACKGROUND] = background
        if task == CLOSE:
            continue
        for j in range(count):
            if kinds[j] == PRESENT:
                nodes[SURFACE, j] = nodes[POWER, j] * out[i, C_SURFACE]
                nodes[DEEP, j] = nodes[POWER, j] * out[i, C_DEEP]
                nodes[DEPTH2, j] = out[i, C_SZ] ** 2
        melting = metal[M_SOLIDUS] - query[Q_T0]
        pool(nodes, count, w, far, span, query, melting, answer)


@_fast
def field(
    out: Any, points: Any, segments: Any, closures: Any, totals: Any, sources: Any, query: Any,
    plate: float, bottom: float,
) -> None:
    """Rise at points (m, 3) at the time of one query, whose place is the middle of the points."""
    nodes = np.empty((ROWS, NODES))
    kinds = np.empty(NODES, np.int64)
    w = np.empty(NODES)
    far = np.zeros(4)
    stack = np.empty((128, 2), np.int64)
    horizon = HORIZON
    count = gather(
        nodes, kinds, segments, closures, sources, query, horizon, query[Q_REACH], inf, bottom, -1)
    while count < 0:
        horizon *= 0.7
        count = gather(
            nodes, kinds, segments, closures, sources, query, horizon, query[Q_REACH], inf,
            bottom, -1)
    weigh(nodes, count, w)
    deepest = 0.0
    for j in range(count):
        deepest = max(deepest, nodes[SPREAD, j] + nodes[DEPTH2, j])
    place = query.copy()
    for i in range(points.shape[0]):
        place[Q_X], place[Q_Y] = points[i, 0], points[i, 1]
        z = points[i, 2]
        far_field(far, segments, totals, sources, place, 0.0, horizon, plate, bottom, z, stack)
        total = far[0]
        x, y = points[i, 0] - query[Q_X], points[i, 1] - query[Q_Y]
        sign = 1.0
        for n in range(200):
            if n == 0:
                total += slope_below(nodes, count, x, y, z * z)[0]
                if plate == inf:
                    break
                continue
            sign *= bottom
            near = 2.0 * n * plate - abs(z)
            if near * near > 80.0 * deepest:
                break
            for mirrored in (z - 2.0 * n * plate, z + 2.0 * n * plate):
                total += sign * slope_below(nodes, count, x, y, mirrored * mirrored)[0]
        out[i] = total

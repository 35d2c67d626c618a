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
HORIZON: Final = 10e-3  # s; older heat is the far field; ten times that for slow, long pools
ITERATIONS: Final = 16  # of the closure
SECTIONS: Final = 32  # looked at for the widest where Newton does not find it
LEAST_COOLING: Final = 0.1  # at a tail, over that behind a steady pool: default
# K below the solidus that old heat alone comes to, and at most this share of the rise to it: what
# it brings beyond that goes into melting, which the sum of sources leaves out. Default.
MARGIN: Final = 60.0
MARGIN_SHARE: Final = 0.25
# Speed times sigma over diffusivity of a pool with little tail: default. At rest pools are round.
ROUND_PECLET: Final = 0.05
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
A_LENGTH, A_WIDTH, A_DEPTH, A_PEAK, A_COOL, A_RATIO, A_ABSORBED, A_BACKGROUND = range(8)
ANSWER: Final = 8
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
    """Rise from heat older than ``cut`` at five points of one query, ``z`` deep: 0, -span and
    -2 span along x, and span to either side; and, last, how fast it falls with the square of the
    depth (1/m2).

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
                for p in range(5 if span > 0.0 else 1):
                    dx, dy = px, py
                    if p < 3:
                        dx += p * span * ux
                        dy += p * span * uy
                    else:
                        across = span if p == 3 else -span
                        dx += across * uy
                        dy -= across * ux
                    form = (dx * dx * cyy - 2.0 * dx * dy * cxy + dy * dy * cxx) / det
                    part = amount * exp(-0.5 * form)
                    out[p] += part
                    out[5] += 0.5 * part / heat
    total = 0.0
    for p in range(5):
        total += out[p]
    out[5] = out[5] / total if total > 0.0 else 0.0


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
def warmest(melting: float) -> float:
    """Rise (K) that old heat alone levels off at, for a rise ``melting`` to the solidus."""
    return melting - min(MARGIN, MARGIN_SHARE * melting)


@_fast
def levelled(value: float, most: float) -> tuple[float, float]:
    """``value`` taking the last third of the way to ``most`` ever more slowly, and its slope."""
    last = most / 3.0
    if value <= most - last:
        return value, 1.0
    left = exp((most - last - value) / last)
    return most - last * left, left


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
    background = levelled(background, warmest(metal[M_SOLIDUS] - query[Q_T0]))[0]
    needed = metal[M_BOILING] - query[Q_T0] - background
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
def _old(
    far: Any, span: float, most: float, x: float, y: float, z2: float
) -> tuple[float, float, float, float, float]:
    """Far field at (x, y) and depth sqrt(z2), its derivatives to x, y and z2, and the second to x.

    Interpolated between the five points; outside it falls off as it does with depth. It levels off
    at ``most`` (K).
    """
    if far[5] <= 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    xi, yi = min(max(x, -2.5 * span), 0.5 * span), min(max(y, -span), span)
    xx = (far[2] - 2.0 * far[1] + far[0]) / (span * span)
    yy = (far[3] - 2.0 * far[0] + far[4]) / (span * span)
    along = (far[0] - far[1]) / span + 0.5 * xx * span
    across = 0.5 * (far[3] - far[4]) / span
    value = far[0] + xi * (along + 0.5 * xi * xx) + yi * (across + 0.5 * yi * yy)
    tx, ty = along + xi * xx, across + yi * yy
    highest = max(max(far[0], far[1]), max(max(far[2], far[3]), far[4]))
    if not 0.0 < value < 1.25 * highest:
        value, tx, ty, xx = min(max(value, 0.0), 1.25 * highest), 0.0, 0.0, 0.0
    dx, dy, rate = x - xi, y - yi, far[5]
    fall = exp(-rate * (dx * dx + dy * dy + z2))
    value *= fall
    tx = fall * tx if dx == 0.0 else -2.0 * rate * dx * value
    ty = fall * ty if dy == 0.0 else -2.0 * rate * dy * value
    xx = fall * xx if dx == 0.0 else (4.0 * rate * rate * dx * dx - 2.0 * rate) * value
    tz = -rate * value
    value, left = levelled(value, most)
    if left < 1.0:
        xx -= 3.0 * tx * tx / most
    return value, left * tx, left * ty, left * tz, left * xx


@_fast
def _growth(
    total: float, old: float, tx: float, ox: float, txx: float, oxx: float, level: float
) -> tuple[float, float, float, float, float]:
    """Log of the rise over ``level``, nearly straight in squared distances, for Newton: itself, its
    first two derivatives to x, and what the slopes of the nodes' and of the old heat's rise count.

    Old heat counts as preheat, unless it comes close to the level alone.
    """
    total = max(total, 1e-30)
    if old < 0.8 * level:
        room = level - old
        lx = tx / total + ox / room
        lxx = txx / total - (tx / total) ** 2 + oxx / room
        return log(total / room), lx, lxx, 1.0 / total, 1.0 / room
    whole = total + old
    lx = (tx + ox) / whole
    return log(whole / level), lx, (txx + oxx) / whole - lx * lx, 1.0 / whole, 1.0 / whole


@_fast
def _crossing(
    nodes: Any, count: int, w: Any, far: Any, span: float, most: float, level: float,
    cold: float, hot: float,
) -> float:
    """Where on the centre line between ``cold`` and ``hot`` the rise is ``level``."""
    x = cold
    for step in range(40):
        total, tx, _, _ = slope(nodes, count, w, x, 0.0)
        old, ox, _, _, _ = _old(far, span, most, x, 0.0, 0.0)
        excess, rate, _, _, _ = _growth(total, old, tx, ox, 0.0, 0.0, level)
        if excess < 0.0:
            cold = x
        else:
            hot = x
        if abs(hot - cold) < 1e-8 or abs(excess) < 2e-4:
            break
        x = x - excess / rate if rate != 0.0 else 0.5 * (cold + hot)
        low, high = min(cold, hot), max(cold, hot)
        if not low < x < high or step > 8:
            x = 0.5 * (cold + hot)
    return x


@_fast
def _widest(
    nodes: Any, count: int, w: Any, far: Any, span: float, most: float, level: float, x: float,
    r: float, side: float, sigma: float,
) -> float:
    """Largest distance of the isotherm from the centre line: on the ``side`` +1 or -1 of it on the
    surface, or, for 0, under it.

    Newton in x for the widest section and in the distance squared, in which the log of the rise is
    nearly straight.
    """
    for _ in range(24):
        if side == 0.0:
            total, tx, down, txx = slope_below(nodes, count, x, 0.0, r * r)
            old, ox, _, older, oxx = _old(far, span, most, x, 0.0, r * r)
        else:
            total, tx, down, txx = slope(nodes, count, w, x, side * r)
            old, ox, older, _, oxx = _old(far, span, most, x, side * r, 0.0)
            down *= 0.5 * side / r
            older *= 0.5 * side / r
        excess, lx, lxx, young_share, old_share = _growth(total, old, tx, ox, txx, oxx, level)
        dx = 0.0
        step = 0.5 * (sigma + r)
        if lxx < 0.0:
            dx = min(max(-lx / lxx, -step), step)
        elif lx != 0.0:
            dx = step if lx > 0.0 else -step
        gain = down * young_share + older * old_share
        r2 = r * r - (excess + 0.5 * lx * dx) / gain if gain < 0.0 else 4.0 * r * r
        r2 = min(max(r2, 0.1 * r * r), 4.0 * r * r)
        x += dx
        change = abs(sqrt(r2) - r)
        r = sqrt(r2)
        if r < 0.02 * sigma or (
            change < 2e-3 * r and abs(dx) < 0.05 * r and abs(excess) < 0.02
        ):
            return r
    return -1.0


@_fast
def _scanned(
    nodes: Any, count: int, w: Any, far: Any, span: float, most: float, level: float,
    tail: float, front: float, side: float, sigma: float, widest: float,
) -> float:
    """What `_widest` looks for, from sections at the beam and between tail and front, if more than
    ``widest``: slow, but never misled by pools with several bulges.
    """
    for station in range(SECTIONS):
        x = tail + (station + 0.5) / SECTIONS * (front - tail)
        if 4 * station < SECTIONS:
            x = max(front, 0.0) - 0.75 * sigma * (station + 1)
        hot, cold, r = 0.0, inf, 0.0
        for _ in range(30):
            if side == 0.0:
                total = slope_below(nodes, count, x, 0.0, r * r)[0]
                total += _old(far, span, most, x, 0.0, r * r)[0]
            else:
                total = rise(nodes, count, w, x, side * r)
                total += _old(far, span, most, x, side * r, 0.0)[0]
            if total > level:
                hot = r
            else:
                cold = r
            if cold <= widest or cold - hot < 1e-3 * hot:
                break
            r = max(0.5 * (front - tail), 2.0 * hot) if cold == inf else 0.5 * (hot + cold)
        widest = max(widest, hot)
    return widest


@_fast
def cooling(rate: float, leaving: float) -> float:
    """Cooling (K/s) of the tail: what the metal there does now, but above 0 and rising with it.

    Behind a start, or after a turn, a pool may still grow backwards, and its tail cools only later:
    then a small part of what the beam ``leaving`` at its speed would bring about is told.
    """
    least = LEAST_COOLING * leaving
    if rate >= least:
        return rate
    return least * least / max(2.0 * least - rate, 1e-30)


@_fast
def pool(
    nodes: Any, count: int, w: Any, far: Any, span: float, query: Any, melting: float,
    direct: float, answer: Any,
) -> None:
    """Length, width, depth, peak rise and cooling rate of one pool, into ``answer``.

    ``direct``: how fast (K/s) the beam heats its centre before anything is conducted away; counts
    where it rests.
    """
    sigma, a = query[Q_SIGMA], query[Q_A]
    answer[A_LENGTH] = answer[A_WIDTH] = answer[A_DEPTH] = answer[A_COOL] = 0.0
    weigh(nodes, count, w[0])
    most = warmest(melting)
    section = melting + query[Q_WIDE]
    tail_level = melting - query[Q_TAIL]
    # Backwards along the centre line: the hottest place, then the first one below the level.
    x, step, hottest, peak = 1.0 * sigma, 0.5 * sigma, 0.0, -1.0
    before, last, cold = x, peak, -inf
    while x > -4.0 * query[Q_REACH] - 8.0 * sigma:
        value = rise(nodes, count, w[0], x, 0.0) + _old(far, span, most, x, 0.0, 0.0)[0]
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
        old, ox, _, _, oxx = _old(far, span, most, hottest, 0.0, 0.0)
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
    tail = _crossing(nodes, count, w[0], far, span, most, tail_level, cold, before)
    ahead, step = hottest, sigma
    while ahead < hottest + 400.0 * sigma:
        ahead += step
        step *= 1.5
        value = rise(nodes, count, w[0], ahead, 0.0)
        if value + _old(far, span, most, ahead, 0.0, 0.0)[0] < section:
            break
    front = _crossing(nodes, count, w[0], far, span, most, section, ahead, hottest)
    answer[A_LENGTH] = front - tail
    # Cooling at a fixed point of the track: the heat equation, a times the Laplacian, and the beam.
    change, tx = direct * decay(-0.5 * tail * tail / (sigma * sigma)), 0.0
    for j in range(count):
        dx, dy, i = tail - nodes[X, j], nodes[Y, j], nodes[INVERSE, j]
        g = w[0, j] * decay(-(dx * dx + dy * dy) * i)
        tx -= 2.0 * i * dx * g
        plane = 4.0 * i * (i * (dx * dx + dy * dy) - 1.0)
        fade = nodes[AT_TOP, j] * nodes[TOP_DECAY, j] + nodes[BELOW, j] * nodes[DECAY, j]
        change += a * g * (plane + 2.0 * fade / max(w[0, j], 1e-30))
    mean = section / max(front - tail, sigma)
    gradient = max(tx + _old(far, span, most, tail, 0.0, 0.0)[1], LEAST_COOLING * mean)
    answer[A_COOL] = cooling(-change, query[Q_SPEED] * min(gradient, mean))
    # Where the rise stands just above the level, the isotherm is about a paraboloid.
    start = sigma * min(sqrt(2.0 * log(peak / section)), 1.5)
    # A fast beam's pool may be widest at the beam or far behind it: both are looked at.
    lag = hottest - 0.4 * (hottest - tail) if hottest - tail > 3.0 * sigma else hottest
    wide, deep = 0.0, 0.0
    for side in (1.0, -1.0, 0.0):
        begun = start if side != 0.0 else 0.7 * start
        reached = _widest(
            nodes, count, w[0], far, span, most, section, hottest, begun, side, sigma)
        found = reached >= 0.0
        if lag < hottest:
            begun = max(reached, begun)
            behind = _widest(
                nodes, count, w[0], far, span, most, section, lag, begun, side, sigma)
            found = found and behind >= 0.0
            reached = max(reached, behind)
        # Metal hot all around makes pools of any shape.
        if not found or far[0] > 0.5 * section:
            reached = _scanned(
                nodes, count, w[0], far, span, most, section, tail, front, side, sigma,
                max(reached, 0.0))
        if side == 0.0:
            deep = reached
        else:
            wide += reached
    answer[A_WIDTH], answer[A_DEPTH] = wide, deep


@_fast
def solve(
    task: int, queries: Any, segments: Any, closures: Any, totals: Any, sources: Any, own: int,
    metal: Any, plate: float, bottom: float, answers: Any, out: Any,
) -> None:
    """Answer every query; ``out`` gets what the beam puts in at that moment, see `closure`."""
    nodes = np.empty((ROWS, NODES))
    kinds = np.empty(NODES, np.int64)
    w = np.empty((2, NODES))
    far = np.zeros(6)
    stack = np.empty((128, 2), np.int64)
    for i in range(queries.shape[0]):
        query, answer = queries[i], answers[i]
        reach = query[Q_REACH]
        around = sources[i:i + 1] if task == STEADY else sources
        horizon = inf
        if task != STEADY:
            lasting = min(1.5 * reach / max(query[Q_SPEED], 1e-3), 10.0 * HORIZON)
            horizon = max(HORIZON, lasting if query[Q_SPEED] > 0.0 else 0.0)
        # Old heat is sampled over the pool, but no coarser than it is spread.
        span = max(0.4 * reach, 2.0 * query[Q_SIGMA])
        span = min(span, 2.0 * sqrt(2.0 * query[Q_A] * horizon))
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
        shallow = FIRST_DEPTH * query[Q_SIGMA]
        direct = out[i, C_SURFACE] / shallow + out[i, C_DEEP] / sqrt(shallow**2 + out[i, C_SZ] ** 2)
        direct *= 2.0 * query[Q_POWER] / (
            query[Q_RHOCP] * (2.0 * pi) ** 1.5 * query[Q_SIGMA] ** 2)
        # A moving beam has left the tail by the time that it solidifies.
        direct *= exp(-query[Q_SPEED] * query[Q_SIGMA] / (query[Q_A] * ROUND_PECLET))
        pool(nodes, count, w, far, span, query, melting, direct, answer)


@_fast
def field(
    out: Any, points: Any, segments: Any, closures: Any, totals: Any, sources: Any, query: Any,
    plate: float, bottom: float,
) -> None:
    """Rise at points (m, 3) at the time of one query, whose place is the middle of the points."""
    nodes = np.empty((ROWS, NODES))
    kinds = np.empty(NODES, np.int64)
    w = np.empty(NODES)
    far = np.zeros(6)
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

"""Steps of heat conduction between blocks: which is eliminated when, and the compiled loop."""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

PLATE: Final = -1  # what stands in a link for the plate
Ints = npt.NDArray[np.intp]


class Program(NamedTuple):
    """How to solve for the blocks: they are eliminated one by one, the newest first.

    Row k talks to ``other[first[k]:first[k+1]]``, among them links that earlier rows left
    behind; ``target`` says which slot each pair of them fills, from ``pair[k]`` on. Columns of
    blocks leave nothing behind, a loop (two legs joined by a bridge) one link per row.
    """

    names: list[int]
    slot: dict[tuple[int, int], int]
    slots: int
    first: Ints
    other: Ints
    pair: Ints
    target: Ints

    @classmethod
    def of(cls, names: list[int], links: dict[tuple[int, int], float]) -> Program:
        row = {name: number for number, name in enumerate(names)}
        later: list[set[int]] = [set() for _ in names]
        for low, high in links:
            if low != PLATE:
                one, other = sorted((row[low], row[high]))
                later[one].add(other)
        slot: dict[tuple[int, int], int] = {}
        first, pair = [0], [0]
        for k, others in enumerate(later):
            if others:
                later[min(others)] |= others - {min(others)}
            for other in sorted(others):
                slot[k, other] = len(slot)
            first.append(len(slot))
        target: list[int] = []
        for others in later:
            mine = sorted(others)
            target += [slot[a, b] for i, a in enumerate(mine) for b in mine[i + 1:]]
            pair.append(len(target))
        named = {(min(names[a], names[b]), max(names[a], names[b])): s
                 for (a, b), s in slot.items()}
        flat = [b for _, b in sorted(slot)]
        return cls(names, named, len(slot), *(
            np.array(a, np.intp) for a in (first, flat, pair, target)))


@numba.njit(cache=True, nogil=True)
def march(  # type: ignore[no-untyped-def]
    step, gammas, start, capacity, grounded, powder, open_air, links, foot, gas, source, transfer,
    radiation, first, other, pair, target,
):
    """Temperatures (k+1, n) and energy given (k+1, 4): taken up, to plate, powder, gas (J)."""
    n, steps = len(start), len(step)
    course, given = np.empty((steps + 1, n)), np.zeros((steps + 1, 4))
    course[0] = start
    air, diagonal, pivot = np.empty(n), np.empty(n), np.empty(n)
    rhs, rate = np.empty(n), np.zeros(n)
    below = np.empty(len(links))
    linked = grounded + powder
    for k in range(n):
        for p in range(first[k], first[k + 1]):
            linked[k] += links[p]
            linked[other[p]] += links[p]
    for s in range(steps):
        h, now = step[s], course[s]
        gamma = gammas[s]
        tau = gamma * h
        for k in range(n):
            t = now[k]
            air[k] = open_air[k] * (transfer + radiation * (t + gas) * (t * t + gas * gas))
            diagonal[k] = capacity[k] + tau * (linked[k] + air[k])
        for p in range(len(links)):
            below[p] = -tau * links[p]
        for k in range(n):
            pivot[k] = 1.0 / diagonal[k]
            at = pair[k]
            for p in range(first[k], first[k + 1]):
                factor = below[p] * pivot[k]
                diagonal[other[p]] -= factor * below[p]
                for q in range(p + 1, first[k + 1]):
                    below[target[at]] -= factor * below[q]
                    at += 1
        given[s + 1] = given[s]
        for stage in range(2):
            plate, weight = foot[s, stage], h * (gamma if stage else 1.0 - gamma)
            bed = 0.5 * (plate + gas)
            for k in range(n):
                held = now[k] + ((h - tau) * rate[k] if stage else 0.0)
                rhs[k] = capacity[k] * held + tau * (
                    source[s, k] + grounded[k] * plate + powder[k] * bed + air[k] * gas)
            for k in range(n):
                for p in range(first[k], first[k + 1]):
                    rhs[other[p]] -= below[p] * pivot[k] * rhs[k]
            for k in range(n - 1, -1, -1):
                value = rhs[k]
                for p in range(first[k], first[k + 1]):
                    value -= below[p] * rhs[other[p]]
                rhs[k] = value * pivot[k]
            for k in range(n):
                t = rhs[k]
                given[s + 1, 0] += weight * source[s, k]
                given[s + 1, 1] += weight * grounded[k] * (t - plate)
                given[s + 1, 2] += weight * powder[k] * (t - bed)
                given[s + 1, 3] += weight * air[k] * (t - gas)
                if stage == 0:
                    rate[k] = (t - now[k]) / tau if tau > 0.0 else 0.0
                else:
                    course[s + 1, k] = t
    return course, given

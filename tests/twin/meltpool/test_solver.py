"""Enthalpy solver: analytic limits, heat balance, published tracks, behaviour, and bad input."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import erf, exp, pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from twin.materials import Alloy, Curve, alloy
from twin.meltpool import BeamPath, Mode, _stencil, solver, validation
from twin.meltpool.solver import EnthalpySolver, SolverSession

T0 = 293.15
COARSE = EnthalpySolver(40e-6)
FINE = EnthalpySolver(20e-6)
SIZES = ("length", "width", "depth")
FIELDS = ("length", "width", "depth", "peak_temperature", "cooling_rate", "mode", "absorptivity",
          "normalised_enthalpy", "uncertainty")
NOTHING = BeamPath.spots(np.zeros((1, 2)), power=0.0, dwell=1.0, sigma=1e-5).clipped(2.0, 3.0)
# AMB2018-02 AMMT, case B: Lane et al. 2020, doi 10.1007/s40192-020-00169-1.
TRACK: dict[str, float] = {"power": 179.2, "speed": 0.8, "sigma": 42.5e-6}
RHO_C, K = 4.0e6, 20.0  # J/(m3 K), W/(m K)
DIFFUSIVITY = K / RHO_C
ABSORBED = 0.34


def constant(value: float) -> Curve:
    return Curve("constant", "", np.array([250.0, 9e3]), np.array([value, value]), 250.0, 9e3)


def constant_alloy(melts: float = T0 + 60.0, over: float = 1.0, latent: float = 0.0) -> Alloy:
    """Metal with constant properties which neither boils nor radiates; latent heat in J/m3."""
    return replace(
        alloy("IN625"), density=constant(8000.0), specific_heat=constant(RHO_C / 8000.0),
        conductivity=constant(K), solidus=melts, liquidus=melts + over,
        latent_fusion=latent / 8000.0, boiling=8000.0, latent_vapour=1e8, emissivity=0.0)


LINEAR = constant_alloy()


@pytest.fixture
def one_grid(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, tuple[int, int, int]], Any]:
    """A solver without nested grids: cell (m) and cells along x, y, z."""

    def made(cell: float, window: tuple[int, int, int]) -> EnthalpySolver:
        monkeypatch.setattr(solver, "COARSEST", cell)
        monkeypatch.setattr(solver, "WINDOW", window)
        return EnthalpySolver(cell)

    return made


def assert_equal(a: Any, b: Any, rtol: float = 0.0, fields: Sequence[str] = FIELDS) -> None:
    for field in fields:
        np.testing.assert_allclose(
            getattr(a, field), getattr(b, field), rtol=rtol, atol=0.0, err_msg=field)


def imbalance(session: SolverSession) -> float:
    """What the heat balance lacks, over the heat absorbed."""
    energy = session.energy
    assert energy.absorbed > 0.0
    return abs(energy.absorbed - energy.stored - energy.evaporated - energy.left) / energy.absorbed


# Analytic limits


def test_a_flash_spreads_like_an_instantaneous_source_with_second_order(one_grid: Any) -> None:
    """Gaussian flash on a half space (Carslaw and Jaeger 1959, 10.3) on cells of 80, 40, 20 um."""
    sigma, heat = 40e-6, 2e-3
    flash = BeamPath.spots([[0.0, 0.0]], power=heat / 1e-6, dwell=1e-6, sigma=sigma)
    r = 80e-6 * np.arange(4)
    at = np.column_stack([r, 0.0 * r, np.full(4, 40e-6)])
    errors = []
    for cells, cell in ((20, 80e-6), (40, 40e-6), (80, 20e-6)):
        session = one_grid(cell, (cells, cells, 2 * cells // 5)).session(LINEAR)
        session.advance(flash, 2e-3)
        spread = 2.0 * DIFFUSIVITY * session.time
        plane = (solver.NARROWING * sigma) ** 2 + spread
        exact = 2.0 * ABSORBED * heat / (RHO_C * (2.0 * pi) ** 1.5 * plane * sqrt(spread))
        exact = exact * np.exp(-0.5 * (r**2 / plane + at[:, 2] ** 2 / spread))
        errors.append(np.abs(session.temperature(at) - T0 - exact).max() / exact.max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    print(f"\nerrors {errors}, orders {orders}")
    assert errors[-1] < 0.02
    assert np.all((orders > 1.6) & (orders < 2.6))


def test_a_smooth_field_decays_with_second_order() -> None:
    """Cosine mode in a closed box against its exact decay, by the bare step of one grid."""
    vector = solver._metal(constant_alloy(3000.0), T0).vector
    side, time, errors = 640e-6, 4e-3, []
    for cells in (8, 16, 32):
        cell = side / cells
        x = np.cos(pi * (np.arange(-1, cells + 1) + 0.5) / cells)
        z = np.cos(pi * (np.arange(cells + 1) + 0.5) / cells)
        shape = (cells + 1, cells + 2, cells + 2)
        mode = z[:, None, None] * x[:, None] * x
        steps = round(time * 6.0 * DIFFUSIVITY / (0.9 * cell**2))
        u = (RHO_C * (1000.0 + 500.0 * mode)).astype(np.float32).ravel()
        t = (u * np.float32(DIFFUSIVITY)).astype(np.float32)
        new = t.copy()
        row, plane = cells + 2, (cells + 2) ** 2
        sizes = (np.uint64(row), np.uint64(plane))
        r = np.float32(time / steps / cell**2)
        for _ in range(steps):
            _stencil._mirror(t, cells, cells, cells, False, vector)
            first, last = row + 1, plane - row - 1
            _stencil._diffuse(u, t, new, first, last, *sizes, np.uint64(0), r, vector)
            _stencil._diffuse(u, t, new, plane + first, (cells - 1) * plane + last, *sizes,
                              np.uint64(plane), r, vector)
            t, new = new, t
        rise = (u.reshape(shape)[:-1, 1:-1, 1:-1] / RHO_C - 1000.0) / 500.0
        exact = mode[:-1, 1:-1, 1:-1] * exp(-3.0 * DIFFUSIVITY * (pi / side) ** 2 * time)
        errors.append(float(np.abs(rise - exact).max()))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    print(f"\nerrors {errors}, orders {orders}")
    np.testing.assert_allclose(orders, 2.0, atol=0.15)


def test_freezing_from_a_cold_face_follows_neumann() -> None:
    """Liquid half space, superheated by 100 K, whose face is held 300 K below melting.

    Exact front (Neumann; Carslaw and Jaeger 1959, 11.2): 2 lambda sqrt(a t).
    """
    melts, latent, cold, hot, cells, cell = 1500.0, 1.2e9, 1200.0, 1600.0, 240, 5e-6
    metal = solver._metal(constant_alloy(melts - 1.0, 2.0, latent), cold)
    c = RHO_C / latent
    factor = brentq(
        lambda n: c * (melts - cold) / (exp(n * n) * erf(n))
        - c * (hot - melts) / (exp(n * n) * (1.0 - erf(n))) - n * sqrt(pi), 1e-3, 3.0)
    vector = metal.vector
    liquid = np.float32(np.interp(hot, metal.temperature, metal.enthalpy))
    rows, plane = 3, 9
    u = np.full((cells + 1) * plane, liquid, np.float32)
    u[:plane] = 0.0  # the face is the middle of the topmost cells
    law = tuple(vector[:7])
    t = np.array([_stencil.potential(x, law) for x in u], np.float32)
    face, new = t[:plane].copy(), t.copy()
    step = 0.9 * cell**2 / (6.0 * metal.diffusivity)
    r = np.float32(step / cell**2)
    sizes = (np.uint64(rows), np.uint64(plane), np.uint64(plane), r)
    solidus, liquidus = vector[_stencil.SOLIDUS], vector[_stencil.LIQUIDUS]
    for n in range(1, 4 * 6000 + 1):
        _stencil._mirror(t, 1, 1, cells, False, vector)
        _stencil._diffuse(u, t, new, plane + 4, cells * plane - 4, *sizes, vector)
        t, new = new, t
        t[:plane] = face
        if n % 6000 == 0:
            column = u[plane + 4 : cells * plane : plane]
            frozen = np.clip((liquidus - column) / (liquidus - solidus), 0.0, 1.0)
            front = cell * (0.5 + float(frozen.sum()))
            exact = 2.0 * factor * sqrt(DIFFUSIVITY * n * step)
            assert front == pytest.approx(exact, rel=0.01, abs=0.5 * cell)
            assert exact < 0.3 * cells * cell  # the far end is far


def test_behind_a_slow_weak_beam_the_field_is_that_of_rosenthal() -> None:
    """Point source moving over a half space (Rosenthal 1946), where the beam looks like one."""
    power, speed = 20.0, 0.05
    path = BeamPath.line(4e-3, power=power, speed=speed, sigma=30e-6)
    session = COARSE.session(LINEAR)
    session.advance(path, path.end[-1])
    offsets = np.array([[-200, 0, 20], [-300, 0, 20], [-400, 0, 20], [-600, 0, 20], [-800, 0, 20],
                        [-200, 0, 200], [-200, 150, 20], [-300, -150, 100]]) * 1e-6
    distance = np.linalg.norm(offsets, axis=1)
    exact = ABSORBED * power / (2.0 * pi * K * distance)
    exact = exact * np.exp(-0.5 * speed * (offsets[:, 0] + distance) / DIFFUSIVITY)
    found = session.temperature(offsets + np.array([4e-3, 0.0, 0.0])) - T0
    np.testing.assert_allclose(found, exact, rtol=0.05)


def test_nested_grids_give_the_pool_of_a_single_fine_grid(one_grid: Any) -> None:
    path = BeamPath.line(1.2e-3, power=140.0, speed=0.8, sigma=30e-6)
    metal = alloy("IN625")
    nested = FINE.session(metal)
    found = nested.advance(path, path.end[-1], path.end)
    single = one_grid(20e-6, (130, 60, 28)).session(metal)
    alone = single.advance(path, path.end[-1], path.end)
    assert_equal(alone, found, rtol=5e-3, fields=SIZES)
    assert_equal(alone, found, rtol=0.06)
    assert len(single._grids) == 1 < len(nested._grids)
    x, y, z = (a.ravel() for a in np.meshgrid(
        np.linspace(9e-4, 1.25e-3, 15), np.linspace(0.0, 1e-4, 5), np.linspace(0.0, 8e-5, 5)))
    at = np.column_stack([x, y, z])
    kelvin = single.temperature(at)
    hot = kelvin > 900.0
    assert np.count_nonzero(hot) > 30
    np.testing.assert_allclose(nested.temperature(at)[hot], kelvin[hot], atol=25.0)


def turned(path: BeamPath, matrix: Sequence[Sequence[float]]) -> BeamPath:
    """The path with every position multiplied by a matrix (2, 2)."""
    m = np.array(matrix)
    return replace(path, start=path.start @ m.T, stop=path.stop @ m.T)


@pytest.mark.parametrize(
    "matrix", [((1, 0), (0, -1)), ((-1, 0), (0, 1)), ((0, -1), (1, 0)), ((0, 1), (1, 0))],
    ids=["mirrored in y", "mirrored in x", "a quarter turn", "x and y exchanged"])
@pytest.mark.parametrize("powder", [0.0, 60e-6], ids=["bare", "powder"])
def test_mirrored_and_turned_paths_give_the_same_pools(
    matrix: Sequence[Sequence[float]], powder: float
) -> None:
    path = BeamPath.raster(0.8e-3, 2, 90e-6, power=195.0, speed=0.8, sigma=25e-6)
    times = np.linspace(2e-4, path.end[-1] + 1e-4, 9)
    metal = alloy("IN625")
    found, expected = (
        COARSE.along(metal, [p], times, powder_layer=powder) for p in (turned(path, matrix), path))
    assert_equal(found, expected, rtol=2e-3, fields=SIZES)
    assert_equal(found, expected, rtol=3e-2)


def test_a_track_askew_has_nearly_the_pool_of_a_straight_one() -> None:
    path = BeamPath.line(1.5e-3, **TRACK)
    root = sqrt(0.5)
    found, straight = (
        FINE.along(alloy("IN625"), [p], p.end)
        for p in (turned(path, ((root, -root), (root, root))), path))
    for field in ("length", "width", "depth"):
        assert getattr(found, field)[0] == pytest.approx(getattr(straight, field)[0], rel=0.06)


# Heat balance

LINE = BeamPath.line(1e-3, power=285.0, speed=0.96, sigma=67e-6 / 4)
RASTER = BeamPath.raster(0.6e-3, 4, 1e-4, power=250.0, speed=0.9, sigma=20e-6)
SPOTS = BeamPath.spots([[0, 0], [3e-4, 0], [0, 3e-4]], power=200.0, dwell=2e-4, sigma=25e-6,
                       gap=1e-4)
JUMPS = BeamPath.vectors(
    [[0, 0], [9e-3, 0], [9e-3, -7e-3]], [[5e-4, 0], [9e-3, 5e-4], [8.5e-3, -7e-3]],
    power=200.0, speed=0.9, sigma=25e-6)
FAR = BeamPath.line(11e-3, power=150.0, speed=3.0, sigma=25e-6)


@pytest.mark.parametrize("powder", [0.0, 60e-6], ids=["bare", "powder"])
@pytest.mark.parametrize(
    ("paths", "leaves"),
    [([LINE], False), ([RASTER], False), ([SPOTS], False), ([JUMPS], True), ([FAR], True),
     ([LINE, turned(LINE, ((1, 0), (0, -1)))], False),
     ([RASTER, replace(SPOTS, start=SPOTS.start + 5e-4, stop=SPOTS.stop + 5e-4)], False)],
    ids=["line", "raster", "spots", "far jumps", "long line", "same place", "two beams"])
def test_heat_is_conserved(paths: list[BeamPath], leaves: bool, powder: float) -> None:
    session = COARSE.session(alloy("IN718"), powder_layer=powder)
    end = max(path.end[-1] for path in paths) + 2e-4
    session.advance(paths, end)
    energy = session.energy
    assert imbalance(session) < 1e-6
    assert energy.evaporated > 0.0
    assert (energy.left > 0.01 * energy.absorbed) == leaves
    beamed = sum(float(np.sum(p.power * (p.end - p.begin))) for p in paths)
    assert 0.2 * beamed < energy.absorbed < 0.9 * beamed


def test_heat_that_reaches_the_walls_of_the_window_is_accounted_for(one_grid: Any) -> None:
    for powder in (0.0, 150e-6):
        session = one_grid(40e-6, (12, 12, 8)).session(alloy("IN718"), powder_layer=powder)
        session.advance(SPOTS.clipped(0.0, 2e-4), 4e-3)
        assert session.energy.left > 0.05 * session.energy.absorbed
        assert imbalance(session) < 1e-6


# Published measurements: sources and scatter in the data.

AMMT = {"width": 0.10, "depth": 0.15, "length": 0.15}


def errors_of(level: EnthalpySolver, names: set[str], monkeypatch: pytest.MonkeyPatch,
              ) -> Iterator[tuple[str, str, str, float]]:
    """Set, case, quantity and relative error of the published cases of these sets."""
    chosen = tuple(c for c in validation.cases() if c.set in names and (
        not c.boundary or round(1e3 * c.speed) in (300, 800, 1300)))
    assert {c.set for c in chosen} == names
    monkeypatch.setattr(validation, "cases", lambda: chosen)
    for found in validation.compare(level):
        yield found.track.set, found.track.case, found.quantity, found.error


@pytest.mark.parametrize("cell", [20e-6, 10e-6])
def test_tracks_of_lane_2020(cell: float, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(errors_of(EnthalpySolver(cell), {"AMB2018-02 AMMT"}, monkeypatch))
    assert len(found) == 9
    for _, case, quantity, error in found:
        assert abs(error) <= AMMT[quantity], (case, quantity, error)


# Largest relative error by set and quantity. The solver was fitted to all but the last two, and to
# the keyhole depths of Cunningham; its onsets need cells small against the spot (95 um).
LIMITS = {
    ("AMB2022-03", "width"): 0.10,
    ("AMB2022-03", "depth"): 0.25,
    ("AMB2022-03", "time above melting"): 0.20,
    ("Trapp 2017", "absorptivity"): 0.25,
}
ONSETS = {
    ("Cunningham 2019, depression begins", "limiting power"): 0.20,
    ("Cunningham 2019, keyhole begins", "limiting power"): 0.20,
}


@pytest.mark.parametrize(
    ("cell", "limits"), [(20e-6, LIMITS), (10e-6, ONSETS)], ids=["tracks", "onsets"])
def test_keyhole_tracks_and_onsets(
    cell: float, limits: dict[tuple[str, str], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    worst: dict[tuple[str, str], float] = {}
    sets = {name for name, _ in limits}
    for name, case, quantity, error in errors_of(EnthalpySolver(cell), sets, monkeypatch):
        worst[name, quantity] = max(worst.get((name, quantity), 0.0), abs(error))
        if (name, quantity) == ("Trapp 2017", "depth") and int(case.split()[0]) >= 83:
            assert abs(error) <= 0.20, (case, error)
    for key, limit in limits.items():
        assert worst[key] <= limit, (key, worst[key])


# Behaviour


def pools_and_field(
    session: SolverSession, pieces: Sequence[BeamPath | Sequence[BeamPath]], ends: Sequence[float],
    every: float = 5e-5,
) -> tuple[list[Any], np.ndarray, Any]:
    """Pools on the way (all fields side by side), temperatures at the end, heat balance."""
    rows, now = [], session.time
    times = every * np.arange(1, 400)
    for piece, end in zip(pieces, ends, strict=True):
        pool = session.advance(piece, end, times[(times > now) & (times <= end)])
        rows.append(np.array([getattr(pool, field) for field in FIELDS]))
        now = end
    at = np.stack(np.meshgrid(
        np.linspace(-1e-4, 1e-3, 23), np.linspace(-1e-4, 4e-4, 11), [1e-5, 5e-5, 2e-4]), axis=-1)
    return rows, session.temperature(at.reshape(-1, 3)), session.energy


def assert_same_bits(one: tuple[list[Any], np.ndarray, Any], two: tuple[list[Any], np.ndarray, Any],
                     ) -> None:
    np.testing.assert_array_equal(np.concatenate(one[0], axis=1), np.concatenate(two[0], axis=1))
    np.testing.assert_array_equal(one[1], two[1])
    assert one[2] == two[2]


TURNING = BeamPath.raster(0.9e-3, 4, 1e-4, power=250.0, speed=0.9, sigma=20e-6)
CUTS = (0.31e-3, 0.5e-3, 1.05e-3, 1.2e-3, 2.9e-3, 4.0e-3, 6.0e-3)  # in lines and in pauses


def uncut(powder: float) -> tuple[list[Any], np.ndarray, Any]:
    pieces = [TURNING.clipped(a, b) for a, b in zip((0.0, *CUTS), CUTS, strict=False)]
    session = COARSE.session(alloy("IN718"), powder_layer=powder)
    return pools_and_field(session, [BeamPath.joined(pieces)], CUTS[-1:])


@pytest.mark.parametrize("powder", [0.0, 60e-6], ids=["bare", "powder"])
def test_pieces_of_a_path_give_the_bits_of_the_whole(powder: float) -> None:
    pieces = [TURNING.clipped(a, b) for a, b in zip((0.0, *CUTS), CUTS, strict=False)]
    session = COARSE.session(alloy("IN718"), powder_layer=powder)
    assert_same_bits(pools_and_field(session, pieces, CUTS), uncut(powder))


def test_a_restored_session_goes_on_with_the_same_bits() -> None:
    def half(session: SolverSession, a: float, b: float) -> tuple[list[Any], np.ndarray, Any]:
        return pools_and_field(session, [TURNING.clipped(a, b)], [b])

    session = COARSE.session(alloy("IN718"), powder_layer=60e-6)
    half(session, 0.0, 1.7e-3)
    kept = session.state()
    on = half(session, 1.7e-3, 4e-3)
    session.restore(kept)
    assert session.time == pytest.approx(1.7e-3, abs=session.time_step)
    assert_same_bits(half(session, 1.7e-3, 4e-3), on)
    other = COARSE.session(alloy("IN718"), powder_layer=60e-6, origin=(5e-3, 5e-3))
    other.restore(kept)
    assert_same_bits(half(other, 1.7e-3, 4e-3), on)


def test_threads_and_repetitions_give_the_same_bits() -> None:
    first = uncut(60e-6)
    with ThreadPoolExecutor(3) as threads:
        for result in threads.map(uncut, [60e-6] * 4):
            assert_same_bits(result, first)


PROGRAM = """
import hashlib
from twin.materials import alloy
from twin.meltpool import BeamPath
from twin.meltpool.solver import EnthalpySolver
path = BeamPath.raster(0.6e-3, 2, 1e-4, power=250.0, speed=0.9, sigma=20e-6)
session = EnthalpySolver(40e-6).session(alloy("IN718"), powder_layer=60e-6)
pool = session.advance(path, path.end[-1], path.end)
digest = hashlib.sha256()
for part in (pool.length, pool.width, pool.depth, pool.peak_temperature):
    digest.update(part.tobytes())
for buffers in session._buffers:
    for array in buffers:
        digest.update(array.tobytes())
print(digest.hexdigest())
"""


def test_other_processes_give_the_same_bits() -> None:
    found = set()
    for threads in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True,
            env={**os.environ, "NUMBA_NUM_THREADS": threads,
                 "PYTHONPATH": os.pathsep.join(sys.path)})
        found.add(run.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == 64


def test_the_time_origin_does_not_matter() -> None:
    path = BeamPath.line(0.6e-3, **TRACK)
    late = replace(path, begin=path.begin + 5.0, end=path.end + 5.0)
    metal = alloy("IN625")
    assert_equal(COARSE.along(metal, [late], late.end), COARSE.along(metal, [path], path.end),
                 rtol=1e-3)


def test_a_second_pass_over_powder_sees_metal() -> None:
    metal, step = alloy("IN718"), 30e-3  # long enough to cool down
    one = BeamPath.line(1e-3, power=150.0, speed=0.9, sigma=25e-6)
    again = replace(one, begin=one.begin + step, end=one.end + step)
    at = np.array([one.end[0], again.end[0]])
    first, second = (
        FINE.along(metal, [BeamPath.joined([one, again])], at, powder_layer=layer)
        for layer in (60e-6, 0.0))
    # Little is left of the first pass' heat.
    assert second.length[1] == pytest.approx(second.length[0], rel=0.05)
    assert first.length[0] > 1.2 * first.length[1]
    assert first.depth[0] > first.depth[1]


def test_powder_keeps_the_heat_in() -> None:
    spot = BeamPath.spots([[0.0, 0.0]], power=10.0, dwell=3e-3, sigma=40e-6)
    metal = alloy("316L")
    peaks = []
    for layer in (0.0, 150e-6):
        session = FINE.session(metal, powder_layer=layer)
        session.advance(spot, 3e-3)
        peaks.append(session.temperature([[0.0, 0.0, 1e-5]])[0])
    assert peaks[1] - T0 > 1.5 * (peaks[0] - T0)


@pytest.mark.parametrize("solver_", [FINE, COARSE], ids=["20 um", "40 um"])
def test_metal_is_never_hotter_than_boiling(solver_: EnthalpySolver) -> None:
    for name, power in (("Ti-6Al-4V", 400.0), ("IN718", 285.0), ("AlSi10Mg", 1000.0)):
        metal = alloy(name)
        session = solver_.session(metal)
        path = BeamPath.line(0.8e-3, power=power, speed=0.8, sigma=20e-6)
        pool = session.advance(path, path.end[-1], np.linspace(1e-4, path.end[-1], 20))
        assert pool.mode[-1] == Mode.KEYHOLE
        peak = pool.peak_temperature.max()
        assert 0.85 * metal.boiling < peak <= metal.boiling * (1.0 + 1e-6)
        axis = np.linspace(0.0, path.stop[0, 0] + 5e-5, 80)
        column = np.linspace(0.0, 4e-4, 30)
        x, z = (a.ravel() for a in np.meshgrid(axis, column))
        field = session.temperature(np.column_stack([x, 0.0 * x, z]))
        assert field.max() <= metal.boiling * (1.0 + 1e-6)


def test_what_is_left_of_a_pool_shrinks_to_nothing_once_the_beam_is_off() -> None:
    path = BeamPath.line(1.2e-3, power=285.0, speed=0.96, sigma=67e-6 / 4)
    end = path.end[0]
    pool = FINE.along(alloy("IN718"), [path], end + np.array([0.0, 1e-4, 2e-4, 4e-4, 1.5e-3]))
    assert np.all(np.diff(pool.depth) <= 0.0)
    assert np.all(np.diff(pool.length) <= 0.0)
    assert np.all(pool.length[:3] > 0.0)
    assert pool.length[-1] == pool.width[-1] == pool.depth[-1] == 0.0
    assert pool.mode[0] == Mode.KEYHOLE
    assert pool.mode[2] == Mode.CONDUCTION
    assert pool.mode[-1] == Mode.NONE
    assert pool.absorptivity[0] > 0.4
    assert np.all(pool.absorptivity[1:] == 0.0)


def test_a_step_down_in_power_takes_the_depth_to_its_new_steady_value() -> None:
    speed, sigma, metal = 0.96, 67e-6 / 4, alloy("IN718")
    ends = np.array([1.5e-3, 3.5e-3])
    path = BeamPath.vectors(
        [[0.0, 0.0], [ends[0], 0.0]], [[ends[0], 0.0], [ends[1], 0.0]], power=[285.0, 200.0],
        speed=speed, sigma=sigma, delay=0.0)
    step = path.end[0]
    times = step + np.array([0.0, 5e-5, 1e-4, 2e-4, 4e-4, 8e-4, 1.2e-3, 1.6e-3, 2e-3])
    depth = FINE.along(metal, [path], times).depth
    steady = FINE.pools(metal, [285.0, 200.0], speed, sigma, T0).depth
    assert depth[0] == pytest.approx(steady[0], rel=0.03)
    assert depth[-1] == pytest.approx(steady[1], rel=0.03)
    assert np.all(np.diff(depth) <= 0.02 * depth[0])
    assert depth[1] < depth[0]


def test_two_beams_side_by_side_share_a_pool_and_far_apart_do_not_know_each_other() -> None:
    metal = alloy("IN625")
    path = BeamPath.line(1e-3, **TRACK)
    alone = FINE.along(metal, [path], path.end)

    def beside(distance: float, beam: int) -> Any:
        shift = np.array([0.0, distance])
        other = replace(path, start=path.start + shift, stop=path.stop + shift)
        return FINE.along(metal, [path, other], path.end, beam=beam)

    assert_equal(beside(1.6e-3, 0), alone, rtol=5e-2)
    assert_equal(beside(1.6e-3, 1), alone, rtol=5e-2)
    near = beside(80e-6, 0)
    assert near.width[0] > 1.5 * alone.width[0]
    assert near.depth[0] > alone.depth[0]


@pytest.mark.parametrize("first", [0, 1])
def test_a_beam_goes_on_when_another_has_ended_or_has_not_begun(first: int) -> None:
    """The window follows what is lit, whichever number the beam has."""
    metal = alloy("IN625")
    path = BeamPath.line(6e-3, power=200.0, speed=2.0, sigma=30e-6)
    short = BeamPath.spots([[0.0, 2e-4]], power=100.0, dwell=1e-4, sigma=30e-6)
    alone = COARSE.along(metal, [path], path.end)
    paths = [path, short] if first == 0 else [short, path]
    found = COARSE.along(metal, paths, path.end, beam=first)
    assert_equal(found, alone, rtol=1e-2)
    session = COARSE.session(metal, origin=(0.0, 0.0))
    pieces = [path, NOTHING] if first == 0 else [NOTHING, path]
    assert_equal(session.advance(pieces, path.end[0], path.end, beam=first), alone, rtol=1e-6)
    assert imbalance(session) < 1e-6


def test_a_beam_that_does_not_melt_has_no_pool_though_another_has() -> None:
    strong = BeamPath.line(1e-3, **TRACK)
    weak = replace(strong, power=strong.power * 0.01, start=strong.start + np.array([0.0, 6e-4]),
                   stop=strong.stop + np.array([0.0, 6e-4]))
    pool = COARSE.along(alloy("IN625"), [strong, weak], strong.end, beam=1)
    assert pool.mode[0] == Mode.NONE
    assert pool.width[0] == pool.depth[0] == pool.length[0] == 0.0


def test_a_spot_melts_round_and_deeper_with_time() -> None:
    spot = BeamPath.spots([[0.0, 0.0]], power=120.0, dwell=1e-3, sigma=50e-6)
    pool = FINE.along(alloy("316L"), [spot], [2e-4, 4e-4, 9e-4])
    assert np.all(np.diff(pool.depth) > 0.0)
    assert np.all(np.diff(pool.width) > 0.0)
    np.testing.assert_allclose(pool.length, pool.width, rtol=0.16)  # solidus and section
    assert np.all(pool.cooling_rate == 0.0)


def test_a_faster_segment_has_a_narrower_pool() -> None:
    path = BeamPath.vectors(
        [[0.0, 0.0], [1e-3, 0.0], [2e-3, 0.0]], [[1e-3, 0.0], [2e-3, 0.0], [3e-3, 0.0]],
        power=200.0, speed=[0.4, 1.0, 0.4], sigma=30e-6, delay=0.0)
    pool = FINE.along(alloy("IN625"), [path], path.end)
    assert pool.width[1] < 0.9 * pool.width[0]
    assert pool.width[2] == pytest.approx(pool.width[0], rel=0.05)
    assert pool.depth[1] < 0.9 * pool.depth[0]


def test_a_turn_back_over_warm_metal_makes_a_larger_pool() -> None:
    path = BeamPath.raster(1e-3, 3, 90e-6, power=195.0, speed=0.8, sigma=25e-6)
    pool = FINE.along(alloy("IN625"), [path], path.begin + 0.4e-3)
    assert pool.width[1] > 1.05 * pool.width[0]
    assert pool.depth[1] > pool.depth[0]


def test_equal_rows_are_one_and_arguments_broadcast() -> None:
    metal = alloy("IN625")
    power = np.array([179.2, 137.9, 179.2])
    pool = COARSE.pools(metal, power, 0.8, 42.5e-6, T0)
    assert len(pool) == 3
    assert pool.depth[0] == pool.depth[2] != pool.depth[1]
    for n in range(3):
        single = COARSE.pools(metal, power[n], 0.8, 42.5e-6, T0)
        for field in FIELDS:
            assert getattr(single, field)[0] == getattr(pool, field)[n]
    hot = COARSE.pools(metal, 179.2, 0.8, 42.5e-6, [[T0], [600.0], [900.0]])
    assert np.all(np.diff(hot.width) > 0.0)
    assert COARSE.pools(metal, 0.0, 0.8, 42.5e-6, T0).mode[0] == Mode.NONE


def test_the_preheat_field_counts_where_the_beam_begins() -> None:
    path = replace(BeamPath.line(0.8e-3, **TRACK), start=np.array([[1e-3, 0.0]]),
                   stop=np.array([[1.8e-3, 0.0]]))
    metal = alloy("IN625")
    field = COARSE.along(metal, [path], path.end, preheat=lambda at: 300.0 + 1e5 * at[:, 0])
    number = COARSE.along(metal, [path], path.end, preheat=400.0)
    assert_equal(field, number, rtol=1e-9)


# Bad input


def advanced(metal: Alloy) -> SolverSession:
    session = COARSE.session(metal)
    session.advance(BeamPath.line(0.2e-3, **TRACK), 0.25e-3)
    return session


LATER = replace(SPOTS.clipped(0.0, 2e-4), begin=np.array([1e-3]), end=np.array([1.2e-3]))


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("power", lambda m: COARSE.pools(m, -1.0, 1.0, 2e-5, T0)),
        ("speed", lambda m: COARSE.pools(m, 100.0, 0.0, 2e-5, T0)),
        ("sigma", lambda m: COARSE.pools(m, 100.0, 1.0, 0.0, T0)),
        ("preheat", lambda m: COARSE.pools(m, 100.0, 1.0, 2e-5, 5000.0)),
        ("power", lambda m: BeamPath.line(1e-3, power=-1.0, speed=1.0, sigma=2e-5)),
        ("speed", lambda m: BeamPath.line(1e-3, power=1.0, speed=0.0, sigma=2e-5)),
        ("unobtainium", lambda m: COARSE.pools(alloy("unobtainium"), 1.0, 1.0, 2e-5, T0)),
        ("preheat", lambda m: COARSE.session(m, preheat=float("nan"))),
        ("preheat", lambda m: COARSE.session(m, preheat=m.solidus)),
        ("preheat", lambda m: COARSE.along(m, [LINE], [1e-4], preheat=10.0)),
        ("powder_layer", lambda m: COARSE.session(m, powder_layer=-1e-6)),
        ("wavelength", lambda m: COARSE.session(m, wavelength=5e-6)),
        ("cell", lambda m: EnthalpySolver(1e-6)),
        ("cell", lambda m: EnthalpySolver(1e-3)),
        ("cell", lambda m: EnthalpySolver(float("nan"))),
        ("path begins", lambda m: advanced(m).advance(LINE, 1e-3)),
        ("until", lambda m: advanced(m).advance(LATER, 1e-4)),
        ("sample times", lambda m: advanced(m).advance(LATER, 2e-3, [1.5e-3, 1.2e-3])),
        ("sample times", lambda m: advanced(m).advance(LATER, 2e-3, [1e-4])),
        ("sample times", lambda m: advanced(m).advance(LATER, 2e-3, [3e-3])),
        ("sample times", lambda m: advanced(m).advance(LATER, 2e-3, [float("nan")])),
        ("sample times", lambda m: COARSE.along(m, [LINE], [2e-4, 1e-4])),
        ("beams", lambda m: advanced(m).advance([LATER, LATER], 2e-3)),
        ("beam", lambda m: advanced(m).advance(LATER, 2e-3, beam=1)),
        ("beam", lambda m: COARSE.along(m, [LINE], [1e-4], beam=1)),
        ("path", lambda m: COARSE.along(m, [], [1e-4])),
        ("path", lambda m: COARSE.along(m, [NOTHING], [1e-4])),
    ],
)
def test_bad_input_is_refused_by_name(field: str, call: Callable[[Alloy], Any]) -> None:
    with pytest.raises(ValueError, match=field):
        call(alloy("IN625"))


def test_a_refused_call_leaves_the_session_as_it_was() -> None:
    session, same = (advanced(alloy("IN625")) for _ in range(2))
    with pytest.raises(ValueError, match="sample times"):
        session.advance(LATER, 2e-3, [5e-3])
    with pytest.raises(ValueError, match="path begins"):
        session.advance(LINE, 1e-3)
    assert_equal(session.advance(LATER, 2e-3, [1.15e-3]), same.advance(LATER, 2e-3, [1.15e-3]))


@pytest.mark.parametrize("layer", [1e-4, 1e-3, 5e-3])
def test_powder_of_any_allowed_thickness_fits_its_arrays(
    layer: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is written, for that would be beyond an array too small.
    monkeypatch.setattr(_stencil, "settle", lambda *_: None)
    try:
        session = FINE.session(alloy("316L"), powder_layer=layer)
    except ValueError as error:
        if "powder_layer" not in str(error):
            raise
        return
    for planes, grid, kept in zip(
        session._powder, session._grids, session._buffers[2][0], strict=False
    ):
        assert (planes + 1) * (grid[0] + 2) * (grid[1] + 2) <= len(kept)


# Random paths

places = st.tuples(st.floats(-4e-4, 4e-4), st.floats(-4e-4, 4e-4))


@st.composite
def beam_paths(draw: st.DrawFn) -> BeamPath:
    """A few lines and spots one after the other, some far away, some at once, some after a rest."""
    now, x, y = 0.0, *draw(places)
    begin, end, start, stop, power, sigma = [], [], [], [], [], []
    for _ in range(draw(st.integers(1, 4))):
        now += draw(st.sampled_from([0.0, 1e-4, 1e-3]))
        kind = draw(st.sampled_from(["line", "spot", "turn", "jump"]))
        if kind == "jump":
            x, y = x + draw(st.sampled_from([-5e-3, 1e-3, 4e-3])), y
        to = (x, y) if kind == "spot" else draw(places)
        lasts = draw(st.floats(2e-5, 3e-4))
        length = np.hypot(to[0] - x, to[1] - y)
        if length < 1e-3 * lasts:  # slower than any line
            to = (x, y)
        lasts = max(lasts, length / 20.0)
        begin.append(now)
        end.append(now + lasts)
        start.append((x, y))
        stop.append(to)
        power.append(draw(st.sampled_from([0.0, 20.0, 150.0, 600.0])))
        sigma.append(draw(st.floats(1e-5, 1e-4)))
        now += lasts
        x, y = to
    return BeamPath(*(np.array(a) for a in (begin, end, start, stop, power, sigma)))


@settings(deadline=None, max_examples=40)
@given(st.lists(beam_paths(), min_size=1, max_size=2), st.sampled_from([0.0, 30e-6, 120e-6]),
       st.sampled_from(["IN718", "AlSi10Mg", "Ti-6Al-4V"]))
def test_random_paths_never_break_it(paths: list[BeamPath], powder: float, name: str) -> None:
    metal = alloy(name)
    session = COARSE.session(metal, powder_layer=powder)
    until = max(path.end[-1] for path in paths) + 1e-4
    try:
        session.advance(paths, until)
    except ValueError as error:
        if len(paths) == 1 or "beams apart" not in str(error):
            raise
        return
    for beam in range(len(paths)):
        pool = COARSE.along(metal, paths, np.linspace(1e-5, until, 12), powder_layer=powder,
                            beam=beam)
        for field in FIELDS:
            values = getattr(pool, field)
            assert np.all(np.isfinite(values)), field
            assert np.all(values >= 0.0), field
        molten = pool.mode > Mode.NONE
        assert np.all(molten == (pool.length > 0.0))
        assert np.all(pool.peak_temperature <= metal.boiling * 1.00001)
        assert np.all(pool.absorptivity <= 1.0)
    energy = session.energy
    if energy.absorbed > 0.0:
        assert imbalance(session) < 2e-6
    beamed = sum(float(np.sum(p.power * (p.end - p.begin))) for p in paths)
    assert energy.absorbed >= 0.05 * beamed


@pytest.mark.parametrize(("name", "power", "speed", "spot", "layer", "cell"), [
    ("Ti-6Al-4V", 442.0, 0.15, 100e-6, 100e-6, 25e-6),
    ("IN718", 285.0, 0.96, 67e-6, 66e-6, 20e-6),
])
def test_powder_at_an_interface_between_grids_does_not_cool_below_the_preheat(
    name: str, power: float, speed: float, spot: float, layer: float, cell: float
) -> None:
    """Powder hardly conducts: what flows into a finer grid must not be taken from it alike."""
    session = EnthalpySolver(cell).session(alloy(name), powder_layer=layer)
    path = BeamPath.raster(1e-3, 2, 1e-4, power=power, speed=speed, sigma=spot / 4)
    session.advance(path, path.end[-1])
    points = np.random.Generator(np.random.Philox(1)).uniform(
        (-1e-3, -1e-3, 0.0), (2e-3, 1e-3, 5e-4), (20_000, 3))
    coldest = session.temperature(points).min()
    assert coldest > session.preheat - 20.0

"""Photodiode, pyrometers and camera: Planck limits, dimming, monotony."""

from dataclasses import replace

import numpy as np
import pytest

from twin.materials import Alloy, alloy
from twin.meltpool import Laws, MeltPool, sensors


def uniform(pool: MeltPool, metal: Alloy, temperature: float) -> tuple[MeltPool, Alloy]:
    """The same pools at one temperature: solidus and peak alike."""
    peak = np.full(len(pool), temperature)
    isothermal = replace(metal, solidus=temperature - 1.0, liquidus=temperature)
    return replace(pool, peak_temperature=peak), isothermal


def test_black_body_total_is_stefan_boltzmann() -> None:
    lam = np.geomspace(1e-7, 1e-3, 20_001)
    total = np.pi * np.trapezoid(sensors.spectral_radiance(lam, 2000.0), lam)
    assert total == pytest.approx(5.670374e-8 * 2000.0**4, rel=1e-3)


def test_emission_of_an_isothermal_pool_is_planck_times_area(
    rising: MeltPool, metal: Alloy
) -> None:
    pool, isothermal = uniform(rising, metal, 2500.0)
    lam = np.linspace(*sensors.SILICON, 2001)
    exitance = np.pi * np.trapezoid(sensors.spectral_radiance(lam, 2499.5), lam)
    area = np.pi / 4.0 * pool.length * pool.width
    expected = metal.emissivity * exitance * area
    assert sensors.emission(pool, isothermal) == pytest.approx(expected, rel=2e-3)


def test_signals_never_fall_when_power_rises(rising: MeltPool, metal: Alloy) -> None:
    view = sensors.camera(rising, metal)
    for signal in (
        sensors.photodiode(rising, metal, gain=1e5),
        sensors.photodiode(rising, metal, band=sensors.INGAAS),
        sensors.pyrometer(rising, metal),
        sensors.ratio_pyrometer(rising, metal),
        view.width,
        view.length,
    ):
        assert np.all(np.isfinite(signal))
        assert np.all(np.diff(signal) >= -1e-9 * np.abs(signal[1:]))
        assert signal[-1] > signal[0]


def test_nothing_molten_gives_no_light_and_the_floor(metal: Alloy) -> None:
    dark = Laws().pools(metal, [0.0, 1.0], 1.0, 20e-6, 300.0)
    assert np.all(sensors.photodiode(dark, metal) == 0.0)
    assert np.all(sensors.ratio_pyrometer(dark, metal, floor=900.0) == 900.0)
    assert np.all(sensors.pyrometer(dark, metal, floor=900.0) == 900.0)
    assert np.all(sensors.camera(dark, metal, speed=1.0, exposure=1e-4).length == 0.0)


def test_soiled_window_is_a_weaker_laser_seen_through_a_dimmer_window(metal: Alloy) -> None:
    power = np.array([120.0, 200.0, 285.0])
    soiled = Laws().pools(metal, power * 0.9, 0.96, 20e-6, 353.0)
    weaker = Laws().pools(metal, power - 0.1 * power, 0.96, 20e-6, 353.0)
    assert soiled.width == pytest.approx(weaker.width)
    assert soiled.depth == pytest.approx(weaker.depth)
    seen = sensors.photodiode(soiled, metal, transmission=0.9)
    assert seen == pytest.approx(0.9 * sensors.photodiode(weaker, metal))
    clean = Laws().pools(metal, power, 0.96, 20e-6, 353.0)
    assert np.all(seen < 0.9 * sensors.photodiode(clean, metal))


def test_ratio_pyrometer_ignores_grey_dimming_but_not_coloured(
    rising: MeltPool, metal: Alloy
) -> None:
    clean = sensors.ratio_pyrometer(rising, metal)
    assert sensors.ratio_pyrometer(rising, metal, transmission=(0.5, 0.5)) == pytest.approx(clean)
    hazy = sensors.ratio_pyrometer(rising, metal, transmission=(0.8, 0.9))
    molten = rising.width > 0.0
    assert np.all(hazy[molten] < clean[molten])
    single = sensors.pyrometer(rising, metal, field_of_view=20e-6)
    dim = sensors.pyrometer(rising, metal, field_of_view=20e-6, transmission=0.8)
    assert np.all(dim[molten] < single[molten])


def test_both_pyrometers_read_an_isothermal_pool_right(rising: MeltPool, metal: Alloy) -> None:
    pool, isothermal = uniform(rising, metal, 2300.0)
    molten = pool.width > 20e-6
    for reading in (
        sensors.ratio_pyrometer(pool, isothermal),
        sensors.ratio_pyrometer(pool, isothermal, wavelengths=(900e-9, 750e-9)),
        sensors.pyrometer(pool, isothermal, field_of_view=10e-6),
    ):
        assert reading[molten] == pytest.approx(2299.5, abs=3.0)


def test_pyrometers_read_between_solidus_and_peak(rising: MeltPool, metal: Alloy) -> None:
    molten = rising.width > 0.0
    reading = sensors.ratio_pyrometer(rising, metal)[molten]
    assert np.all(reading >= metal.solidus - 5.0)
    assert np.all(reading <= rising.peak_temperature[molten] + 5.0)


def test_camera_counts_pixels_blurs_and_shrinks_when_dimmed(rising: MeltPool, metal: Alloy) -> None:
    view = sensors.camera(rising, metal, pixel=10e-6)
    assert np.all(np.abs(view.width - rising.width) <= 10e-6 + 1e-12)
    assert view.width / 10e-6 == pytest.approx(np.round(view.width / 10e-6))
    blurred = sensors.camera(rising, metal, pixel=1e-6, speed=0.96, exposure=100e-6)
    sharp = sensors.camera(rising, metal, pixel=1e-6)
    molten = sharp.length > 0.0
    assert blurred.length[molten] - sharp.length[molten] == pytest.approx(96e-6, abs=2e-6)
    dim = sensors.camera(rising, metal, pixel=1e-6, transmission=0.5)
    assert np.all(dim.width[molten] < sharp.width[molten])


def test_hotter_boiling_alloy_is_brighter() -> None:
    signal = [
        sensors.photodiode(Laws().pools(alloy(n), 280.0, 1.0, 20e-6, 353.0), alloy(n))[0]
        for n in ("IN718", "Ti64")
    ]
    assert signal[1] > signal[0]


def test_bad_optics_are_refused(rising: MeltPool, metal: Alloy) -> None:
    with pytest.raises(ValueError, match=r"transmission 1.2 to 1.2: allowed 0 to 1"):
        sensors.photodiode(rising, metal, transmission=1.2)
    with pytest.raises(ValueError, match="needs 0 < low < high"):
        sensors.photodiode(rising, metal, band=(1000e-9, 700e-9))

"""Photodiode and pyrometers on a temperature field: radiation laws, noise, converter."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import Alloy, alloy
from twin.meltpool import BeamPath, Laws, MeltPool, sensors
from twin.meltpool.field import (
    SurfaceField,
    pool_field,
    sampled_field,
    surface_nodes,
    with_spatter,
)
from twin.meltpool.planck import (
    LONGWAVE,
    SILICON,
    band_radiance,
    radiance_temperature,
    spectral_radiance,
)
from twin.meltpool.radiometry import (
    CHARGE,
    Converter,
    Detector,
    RatioPyrometer,
    collected,
    emissivity,
    pyrometer,
)
from twin.meltpool.sources import MovingSources

temperatures = st.floats(900.0, 5000.0)


def flat(temperature: float, size: float = 400e-6, pixel: float = 10e-6) -> SurfaceField:
    n = int(size / pixel) + 1
    return SurfaceField(np.full((n, n), temperature), pixel, (-size / 2.0, -size / 2.0))


class TestPlanck:
    @given(st.floats(400e-9, 1000e-9), st.floats(300.0, 2500.0))
    def test_short_waves_follow_wien(self, wavelength: float, temperature: float) -> None:
        # Wien 1896 with CODATA 2018 radiation constants; below 2897 um K he is 1 % off at most.
        first, second = 1.191042972e-16, 1.438776877e-2
        wien = first / wavelength**5 * np.exp(-second / (wavelength * temperature))
        assert spectral_radiance(wavelength, temperature) == pytest.approx(wien, rel=1e-2)

    def test_long_waves_follow_rayleigh_and_jeans(self) -> None:
        lam, t = 5e-2, 1500.0
        assert spectral_radiance(lam, t) == pytest.approx(
            2.0 * 299_792_458.0 * 1.380649e-23 * t / lam**4, rel=1e-3
        )

    @given(temperatures)
    def test_band_over_everything_is_stefan_boltzmann(self, temperature: float) -> None:
        lam = np.geomspace(1e-7, 1e-3, 4001)
        total = np.trapezoid(spectral_radiance(lam, temperature), lam)
        assert np.pi * total == pytest.approx(5.670374e-8 * temperature**4, rel=2e-3)

    @given(temperatures, st.sampled_from([SILICON, LONGWAVE]))
    def test_temperature_comes_back_from_radiance(
        self, temperature: float, band: tuple[float, float]
    ) -> None:
        assert radiance_temperature(band_radiance(temperature, band), band) == pytest.approx(
            temperature, abs=0.1
        )


class TestField:
    """The surface field of a pool."""

    def test_size_and_peak_are_those_of_the_pool(self, rising: MeltPool, metal: Alloy) -> None:
        for i in (20, 30, 45):
            surface = pool_field(rising, i, metal, preheat=353.0, pixel=2e-6)
            molten = surface.temperature >= metal.solidus
            x, y = surface.axes
            span = [np.ptp(axis[molten.any(axis=k)]) for k, axis in ((0, x), (1, y))]
            assert span == pytest.approx([rising.length[i], rising.width[i]], abs=5e-6)
            assert surface.temperature.max() == pytest.approx(rising.peak_temperature[i], rel=1e-3)
            area = np.count_nonzero(molten) * surface.pixel**2
            assert area == pytest.approx(
                np.pi / 4.0 * rising.length[i] * rising.width[i], rel=0.02
            )
            nodes, weights = surface_nodes(rising, metal)
            mean = surface.temperature[molten].mean()
            assert mean == pytest.approx(nodes[i] @ weights, rel=0.01)

    def test_wake_cools_like_rosenthal(self, rising: MeltPool, metal: Alloy) -> None:
        # On the axis behind the source T - T0 falls with the distance from it (Rosenthal 1946).
        surface = pool_field(rising, 30, metal, preheat=353.0, pixel=2e-6, margin=4.0)
        x, y = surface.axes
        rear = rising.length[30] - 0.5 * rising.width[30]
        row = surface.temperature[np.argmin(np.abs(y))]
        wake = x < -1.05 * rear
        fall = (row[wake] - 353.0) * -x[wake]
        assert fall == pytest.approx((metal.solidus - 353.0) * rear, rel=1e-6)

    def test_cold_surface_where_nothing_melts(self, rising: MeltPool, metal: Alloy) -> None:
        assert np.all(pool_field(rising, 0, metal, preheat=400.0).temperature == 400.0)

    def test_field_of_moving_sources_has_the_size_of_their_pool(self, metal: Alloy) -> None:
        level, heading = MovingSources(), 0.4
        end = 2e-3 * np.array([[np.cos(heading), np.sin(heading)]])
        path = BeamPath.vectors([[0.0, 0.0]], end, power=200.0, speed=0.96, sigma=20e-6)
        time = 1.5e-3
        pool = level.along(metal, [path], [time])
        x, y = path.at([time]).position[0]
        surface = sampled_field(
            partial(level.superposed(metal, [path]).at_points, time),
            behind=5e-4, ahead=1e-4, aside=1.5e-4,
            position=(x, y), heading=heading, pixel=10e-6,
        )
        molten = surface.temperature >= metal.solidus
        columns, rows = surface.axes
        assert np.ptp(rows[molten.any(axis=1)]) == pytest.approx(pool.width[0], abs=20e-6)
        # The melt lies mostly behind the beam and evenly to both sides.
        assert columns[molten.any(axis=0)].mean() < -50e-6
        assert surface.temperature[:, 20] == pytest.approx(surface.temperature[::-1, 20], rel=1e-3)
        assert surface.temperature.max() == pytest.approx(pool.peak_temperature[0], rel=0.02)
        # Conduction alone spreads the heat a little more evenly than the profile of the laws.
        assert 0.8 < collected(surface, metal) / sensors.photodiode(pool, metal)[0] < 1.4

    def test_particle_is_seen_in_front(self, rising: MeltPool, metal: Alloy) -> None:
        surface = pool_field(rising, 30, metal)
        seen = with_spatter(surface, [0.0], [0.0], [60e-6], [1800.0])
        changed = seen.temperature != surface.temperature
        assert np.count_nonzero(changed) * surface.pixel**2 == pytest.approx(
            np.pi / 4.0 * 60e-6**2, rel=0.1
        )
        # Colder than the middle of the pool: it dims the photodiode.
        assert collected(seen, metal) < collected(surface, metal)

    def test_bad_fields_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"temperature 100 to 300 K: allowed 200 to 8000 K"):
            SurfaceField(np.array([[100.0, 300.0]]), 1e-5, (0.0, 0.0))
        with pytest.raises(ValueError, match="pixel 0 m: allowed"):
            SurfaceField(np.full((2, 2), 300.0), 0, (0.0, 0.0))
        with pytest.raises(ValueError, match=r"shape \(3,\): needs"):
            SurfaceField(np.full(3, 300.0), 1e-5, (0.0, 0.0))
        with pytest.raises(ValueError, match="behind -1, ahead 0, aside 0 m"):
            sampled_field(lambda p: p[:, 0], behind=-1.0, ahead=0.0, aside=0.0)


class TestCollectedLight:
    """Light on the detector."""

    @pytest.mark.parametrize("band", [sensors.SILICON, sensors.INGAAS])
    def test_field_and_pool_see_the_same(
        self, rising: MeltPool, metal: Alloy, band: tuple[float, float]
    ) -> None:
        # The field adds the glow of the hot metal around the melt: little in silicon's band, more
        # in the infrared, never less.
        of_pool = sensors.photodiode(rising, metal, band=band)
        limit = 1.02 if band == sensors.SILICON else 1.15
        for i in (15, 30, 50):
            surface = pool_field(rising, i, metal, preheat=353.0, pixel=3e-6)
            assert 0.99 <= collected(surface, metal, band) / of_pool[i] <= limit

    def test_pyrometers_of_field_and_pool_agree(self, rising: MeltPool, metal: Alloy) -> None:
        wide = RatioPyrometer(field_of_view=np.inf)
        for i in (15, 30, 50):
            surface = pool_field(rising, i, metal, preheat=353.0, pixel=3e-6)
            ratio = wide.temperature(*wide.channels(surface, metal))
            assert ratio == pytest.approx(sensors.ratio_pyrometer(rising, metal)[i], abs=15.0)
            for stop in (60e-6, 200e-6, 600e-6):
                assert pyrometer(surface, metal, field_of_view=stop) == pytest.approx(
                    sensors.pyrometer(rising, metal, field_of_view=stop)[i], abs=15.0
                )

    @given(temperatures, st.floats(0.05, 1.0), st.floats(0.05, 1.0))
    def test_ratio_is_exact_for_grey_bodies(
        self, temperature: float, eps: float, transmission: float
    ) -> None:
        grey = replace(alloy("IN718"), emissivity=eps)
        device = RatioPyrometer(threshold=0.0, floor=800.0)
        light = device.channels(flat(temperature), grey, transmission=(transmission, transmission))
        assert device.temperature(*light) == pytest.approx(temperature, abs=0.2)

    def test_coloured_body_misleads_until_the_ratio_is_set(self, metal: Alloy) -> None:
        surface = flat(2200.0)
        plain = RatioPyrometer()
        light = plain.channels(surface, metal, exponent=0.5)
        assert plain.temperature(*light) > 2220.0
        told = RatioPyrometer(
            emissivity_ratio=emissivity(metal, 750e-9, 0.5) / emissivity(metal, 900e-9, 0.5)
        )
        assert told.temperature(*light) == pytest.approx(2200.0, abs=0.2)

    def test_field_of_view_cuts_the_light(self, metal: Alloy) -> None:
        surface = flat(2000.0, pixel=2e-6)
        part = collected(surface, metal, field_of_view=200e-6) / collected(surface, metal)
        # The pixels' squares reach half a pixel beyond the field's nominal size.
        assert part == pytest.approx(np.pi / 4.0 * 200e-6**2 / 402e-6**2, rel=0.02)
        assert pyrometer(surface, metal) == pytest.approx(2000.0, abs=3.0)

    @given(temperatures, st.floats(1.0, 200.0))
    def test_hotter_is_brighter(self, temperature: float, step: float) -> None:
        metal = alloy("316L")
        assert collected(flat(temperature + step), metal) > collected(flat(temperature), metal)

    def test_nothing_molten_reads_the_floor(self, metal: Alloy) -> None:
        dark = pool_field(Laws().pools(metal, 0.0, 1.0, 20e-6, 353.0), 0, metal, preheat=353.0)
        device = RatioPyrometer(floor=900.0)
        assert device.temperature(*device.channels(dark, metal)) == 900.0
        assert pyrometer(dark, metal, floor=950.0) == 950.0


class TestDetector:
    """Amplifier, noise and converter."""

    RATE = 1e6

    def test_noise_is_shot_and_thermal(self) -> None:
        device = Detector(bandwidth=50e3)
        light = np.full(200_000, 2e-6)
        volts = device.analogue(light, self.RATE, np.random.default_rng(3))
        current = device.responsivity * 2e-6 + device.dark_current
        noise_bandwidth = np.pi / 2.0 * 50e3
        shot = 2.0 * CHARGE * current * noise_bandwidth
        thermal = 4.0 * 1.380649e-23 * 300.0 * noise_bandwidth / device.resistance
        assert device.shot_noise(2e-6) == pytest.approx(shot)
        measured = volts.var() / device.resistance**2
        # 200,000 samples with a correlation of about 7: the variance is known to 1 %.
        assert measured == pytest.approx(shot + thermal, rel=0.04)
        assert volts.mean() == pytest.approx(device.resistance * current, rel=1e-4)

    @given(st.floats(1e-9, 1e-5), st.floats(1e3, 1e6), st.floats(1.1, 10.0))
    def test_shot_noise_grows_with_light_and_bandwidth(
        self, power: float, bandwidth: float, factor: float
    ) -> None:
        device = Detector(bandwidth=bandwidth, dark_current=0.0)
        wider = replace(device, bandwidth=factor * bandwidth)
        assert device.shot_noise(factor * power) == pytest.approx(factor * device.shot_noise(power))
        assert wider.shot_noise(power) == pytest.approx(factor * device.shot_noise(power))

    def test_step_answer_is_that_of_a_first_order_low_pass(self) -> None:
        device = Detector(bandwidth=20e3, dark_current=0.0)
        light = np.concatenate([np.zeros(5), np.full(100, 1e-6)])
        volts = device.analogue(light, self.RATE)
        time = np.arange(1, 101) / self.RATE
        wanted = 1.0 - np.exp(-2.0 * np.pi * 20e3 * time)
        assert volts[5:] / (device.resistance * device.responsivity * 1e-6) == pytest.approx(wanted)
        assert np.all(volts[:5] == 0.0)

    def test_same_generator_same_reading(self) -> None:
        read = [
            Detector().read(np.full(100, 1e-6), self.RATE, np.random.default_rng(s))
            for s in (5, 5, 6)
        ]
        assert np.array_equal(read[0], read[1])
        assert not np.array_equal(read[0], read[2])

    def test_rounding_noise_of_the_converter(self) -> None:
        # Bennett 1948: error spread evenly over one step, variance LSB^2 / 12.
        convert = Converter(bits=10, low=0.0, high=5.0)
        volts = np.random.default_rng(0).uniform(0.1, 4.9, 200_000)
        error = convert(volts) - volts
        assert error.var() == pytest.approx(convert.step**2 / 12.0, rel=0.02)
        assert np.abs(error).max() <= 0.5 * convert.step * (1 + 1e-9)

    def test_converter_clips(self) -> None:
        convert = Converter(bits=12, low=-1.0, high=1.0)
        assert convert([-9.0, 9.0]) == pytest.approx([-1.0, 1.0])
        assert convert.codes([-9.0, 9.0]).tolist() == [0, 4095]

    def test_pyrometer_reads_through_its_electronics(self, metal: Alloy) -> None:
        device = RatioPyrometer()
        short, long = device.channels(flat(2400.0), metal)
        rate = 1e6
        reading = device.read(
            np.full(5000, short), np.full(5000, long), rate, np.random.default_rng(1)
        )
        assert reading.mean() == pytest.approx(2400.0, abs=5.0)
        assert 0.1 < reading.std() < 30.0

    def test_bad_electronics_are_refused(self) -> None:
        with pytest.raises(ValueError, match="converter bits 0: allowed 1 to 32"):
            Converter(bits=0)
        with pytest.raises(ValueError, match="needs low < high"):
            Converter(low=1.0, high=1.0)
        with pytest.raises(ValueError, match="detector bandwidth 0"):
            Detector(bandwidth=0.0)
        with pytest.raises(ValueError, match="power -1 W"):
            Detector().read([-1.0], 1e6)
        with pytest.raises(ValueError, match="rate 0 Hz"):
            Detector().read([1.0], 0)
        with pytest.raises(ValueError, match="0 < short < long"):
            RatioPyrometer(wavelengths=(900e-9, 750e-9))

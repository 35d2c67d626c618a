"""Properties of one monitored item, without a server."""

from types import SimpleNamespace

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from plc_interfaces.opcua.patches import items
from plc_interfaces.opcua.patches.items import DataItem

NUMBERS = st.lists(st.floats(-100, 100), min_size=1, max_size=40)


def make_item(queue_size=1000):
    item = DataItem(SimpleNamespace(ready={}, waiting={}))
    item.queue_size = queue_size
    item.mode = ua.MonitoringMode.Reporting
    return item


def offer(item, *numbers):
    for number in numbers:
        item.offer(ua.DataValue(ua.Variant(number, ua.VariantType.Double)))


def queued(item):
    return [value.Value.Value for value in item.queue]


@given(NUMBERS, st.floats(0, 50))
def test_deadband_reports_what_moved_and_nothing_else(numbers, band):
    item = make_item()
    item.deadband = band
    offer(item, *numbers)
    expected = numbers[:1]
    for number in numbers[1:]:
        if abs(number - expected[-1]) > band:
            expected.append(number)
    assert queued(item) == expected


@given(NUMBERS, st.integers(2, 10), st.booleans())
def test_queue_keeps_one_end_and_marks_only_losses(numbers, size, discard_oldest):
    item = make_item(size)
    item.discard_oldest = discard_oldest
    offer(item, *numbers)
    changes = [n for i, n in enumerate(numbers) if i == 0 or n != numbers[i - 1]]
    lost = len(changes) > size
    kept = changes[-size:] if discard_oldest else [*changes[: size - 1], changes[-1]]
    assert queued(item) == (kept if lost else changes)
    marked = [i for i, value in enumerate(item.queue) if value.StatusCode.value]
    assert marked == ([0 if discard_oldest else size - 1] if lost else [])


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(items.time, "monotonic", lambda: now.time)
    return now


def test_samples_are_spaced_by_the_interval(clock):
    item = make_item()
    item.interval = 1.0
    for tick in range(40):  # a write each 100 ms for 4 s
        clock.time = 100.0 + tick / 10
        offer(item, float(tick))
    assert queued(item) == [0.0, 9.0, 19.0, 29.0]
    clock.time = 104.5
    assert item.flush(clock.time)
    assert queued(item)[-1] == 39.0


def test_after_a_pause_the_next_write_is_sampled_at_once(clock):
    item = make_item()
    item.interval = 1.0
    offer(item, 1.0)
    clock.time += 5
    offer(item, 2.0)
    assert queued(item) == [1.0, 2.0]


def test_array_deadband_looks_at_each_element():
    item = make_item()
    item.deadband = 1.0
    for array in ([0.0, 0.0], [0.9, 0.9], [0.0, 1.1], [0.0, 1.1, 0.0]):
        item.offer(ua.DataValue(ua.Variant(array, ua.VariantType.Double)))
    assert queued(item) == [[0.0, 0.0], [0.0, 1.1], [0.0, 1.1, 0.0]]


@pytest.mark.parametrize(
    ("trigger", "reports"),
    [
        (ua.DataChangeTrigger.Status, 1),
        (ua.DataChangeTrigger.StatusValue, 2),
        (ua.DataChangeTrigger.StatusValueTimestamp, 3),
    ],
)
def test_triggers(trigger, reports):
    item = make_item()
    item.trigger = trigger
    for number, picoseconds in ((1.0, 0), (1.0, 1), (2.0, 1)):
        item.offer(ua.DataValue(ua.Variant(number), SourcePicoseconds=picoseconds))
    assert len(item.queue) == reports

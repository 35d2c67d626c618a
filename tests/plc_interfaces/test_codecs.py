"""Values and registers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_interfaces.codecs import WordOrder, decode, encode, words_of

orders = st.sampled_from(WordOrder)
word = st.integers(0, 0xFFFF)


@given(st.floats(width=32, allow_nan=False), orders)
def test_float_survives(value: float, order: WordOrder) -> None:
    back = decode(encode(value, float, 2, order), float, order)
    assert isinstance(back, float)
    assert encode(back, float, 2, order) == encode(value, float, 2, order)
    assert back == pytest.approx(value, rel=1e-7, abs=1e-44)


@given(st.lists(word, min_size=2, max_size=2), orders)
def test_any_two_registers_are_a_float(registers: list[int], order: WordOrder) -> None:
    value = decode(registers, float, order)
    assert isinstance(value, float)
    if not math.isnan(value):
        assert encode(value, float, 2, order) == registers


@given(st.decimals(-100_000, 100_000, places=1))
def test_short_decimals_come_back_as_written(value: object) -> None:
    number = float(str(value))
    assert decode(encode(number, float, 2), float) == number


@given(st.integers(-(2**31), 2**31 - 1), orders)
def test_int_survives(value: int, order: WordOrder) -> None:
    assert decode(encode(value, int, 2, order), int, order) == value


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.integers(1, 40)
)
def test_text_is_cut_to_whole_characters(text: str, words: int) -> None:
    registers = encode(text, str, words)
    assert len(registers) == words
    back = decode(registers, str)
    assert isinstance(back, str)
    assert text.startswith(back)
    if len(text.encode()) <= 2 * words:
        assert back == text


def test_known_registers() -> None:
    # 123.456 is 0x42F6E979 in IEEE 754 single precision.
    assert encode(123.456, float, 2) == [0x42F6, 0xE979]
    assert encode(123.456, float, 2, WordOrder.LITTLE) == [0xE979, 0x42F6]
    assert encode(-2, int, 2) == [0xFFFF, 0xFFFE]
    assert encode("AB", str, 2) == [0x4142, 0]
    assert encode(True, bool, 1) == [1]


def test_numbers_beyond_the_format_saturate() -> None:
    assert decode(encode(1e300, float, 2), float) == math.inf
    assert decode(encode(-(2**40), int, 2), int) == -(2**31)


@pytest.mark.parametrize(
    ("registers", "kind"), [([2], bool), ([0xFFFF, 0], str), ([0x4100, 0x4100], str)]
)
def test_registers_that_hold_no_such_value(registers: list[int], kind: type) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(registers, kind)


def test_sizes() -> None:
    assert [words_of(float), words_of(int), words_of(bool), words_of(str, 31)] == [2, 2, 1, 16]
    with pytest.raises(TypeError, match="bytes"):
        encode(b"", bytes, 1)

"""Values as 16-bit Modbus registers and back, pure functions.

A number takes two registers (IEEE 754 single precision or two's complement), the more significant
one first; word order ``little`` swaps the two. Text is UTF-8, two bytes to a register, the first
byte high, filled with zeros; word order leaves it alone, as it does single words.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from twin.signals import Value

__all__ = ["WordOrder", "decode", "encode", "words_of"]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


class WordOrder(StrEnum):
    """Which of a number's two registers has the lower address."""

    BIG = "big"
    LITTLE = "little"


def words_of(kind: type, length: int = 32) -> int:
    """How many registers a value takes; `length` is the longest text in bytes."""
    if kind is str:
        return (length + 1) // 2
    return 1 if kind is bool else 2


def encode(value: Value, kind: type, words: int, order: WordOrder = WordOrder.BIG) -> list[int]:
    """`value` as `words` registers.

    Numbers beyond the format saturate (a float to infinity), text is cut after its last whole
    character that fits: a server must show something for every value a machine can have.
    """
    if kind is bool:
        return [int(bool(value))]
    if kind is str:
        raw = _cut(str(value), 2 * words).ljust(2 * words, b"\0")
        return list(struct.unpack(f">{words}H", raw))
    if kind is float:
        number = float(value)  # type: ignore[arg-type]
        if abs(number) > LARGEST_FLOAT32:
            number = math.copysign(math.inf, number)
        raw = struct.pack(">f", number)
    elif kind is int:
        raw = struct.pack(">i", min(max(int(value), INT32_MIN), INT32_MAX))  # type: ignore[arg-type]
    else:
        raise TypeError(f"registers hold float, int, bool and str, not {kind.__name__}")
    high, low = struct.unpack(">HH", raw)
    return [high, low] if order is WordOrder.BIG else [low, high]


def decode(registers: Sequence[int], kind: type, order: WordOrder = WordOrder.BIG) -> Value:
    """The value in `registers`; ``ValueError`` if they hold none of this type.

    A float is the shortest decimal that has this single-precision form, so that 0.1 written by a
    client is 0.1 here and within limits that were declared as decimals.
    """
    if kind is bool:
        if registers[0] > 1:
            raise ValueError(f"a bool is 0 or 1, not {registers[0]}")
        return bool(registers[0])
    if kind is str:
        raw = struct.pack(f">{len(registers)}H", *registers).rstrip(b"\0")
        if b"\0" in raw:
            raise ValueError("text with a zero byte inside")
        return raw.decode()
    high, low = registers if order is WordOrder.BIG else reversed(registers)
    raw = struct.pack(">HH", high, low)
    if kind is float:
        number: float = struct.unpack(">f", raw)[0]
        short = float(str(np.float32(number)))
        # The shortest form of the very largest number is beyond the format.
        return number if math.isfinite(number) and abs(short) > LARGEST_FLOAT32 else short
    if kind is int:
        return int.from_bytes(raw, "big", signed=True)
    raise TypeError(f"registers hold float, int, bool and str, not {kind.__name__}")


def _cut(text: str, size: int) -> bytes:
    raw = text.replace("\0", "").encode("utf-8", "replace")
    return raw if len(raw) <= size else raw[:size].decode("utf-8", "ignore").encode()

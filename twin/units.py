"""Engineering units at the wire: their SI factors and UNECE codes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["UNITS", "Unit", "unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """An engineering unit: ``si = value * factor + offset``."""

    symbol: str
    factor: float
    offset: float
    code: str
    """UNECE Recommendation 20 common code; empty where the recommendation has none."""

    @property
    def unit_id(self) -> int:
        """OPC UA UnitId: the characters of the UNECE code as one integer (OPC 10000-8, 5.6.3)."""
        if not self.code:
            return -1
        return int.from_bytes(self.code.encode("ascii"), "big")

    def to_si(self, value: float) -> float:
        """Engineering value to SI."""
        return value * self.factor + self.offset

    def from_si(self, value: float) -> float:
        """SI value to engineering unit."""
        return (value - self.offset) / self.factor


UNITS: dict[str, Unit] = {
    row[0]: Unit(*row)
    for row in (
        ("", 1.0, 0.0, "C62"),
        ("%", 1e-2, 0.0, "P1"),
        ("ppm", 1e-6, 0.0, "59"),
        ("degC", 1.0, 273.15, "CEL"),
        ("K", 1.0, 0.0, "KEL"),
        ("K/s", 1.0, 0.0, "F12"),
        ("K/min", 1 / 60, 0.0, "F11"),
        ("Pa", 1.0, 0.0, "PAL"),
        ("mbar", 100.0, 0.0, "MBR"),
        ("bar", 1e5, 0.0, "BAR"),
        ("mbar.L/s", 0.1, 0.0, "F95"),
        ("W", 1.0, 0.0, "WTT"),
        ("kW", 1e3, 0.0, "KWT"),
        ("J", 1.0, 0.0, "JOU"),
        ("kWh", 3.6e6, 0.0, "KWH"),
        ("m", 1.0, 0.0, "MTR"),
        ("mm", 1e-3, 0.0, "MMT"),
        ("um", 1e-6, 0.0, "4H"),
        ("nm", 1e-9, 0.0, "C45"),
        ("mm2", 1e-6, 0.0, "MMK"),
        ("mm3", 1e-9, 0.0, "MMQ"),
        ("cm3", 1e-6, 0.0, "CMQ"),
        ("L", 1e-3, 0.0, "LTR"),
        ("m3", 1.0, 0.0, "MTQ"),
        ("m/s", 1.0, 0.0, "MTS"),
        ("mm/s", 1e-3, 0.0, "C16"),
        ("mm/min", 1e-3 / 60, 0.0, "H81"),
        ("m/min", 1 / 60, 0.0, "2X"),
        ("L/min", 1e-3 / 60, 0.0, "L2"),
        ("m3/h", 1 / 3600, 0.0, "MQH"),
        ("s", 1.0, 0.0, "SEC"),
        ("us", 1e-6, 0.0, "B98"),
        ("ms", 1e-3, 0.0, "C26"),
        ("min", 60.0, 0.0, "MIN"),
        ("h", 3600.0, 0.0, "HUR"),
        ("Hz", 1.0, 0.0, "HTZ"),
        ("kHz", 1e3, 0.0, "KHZ"),
        ("A", 1.0, 0.0, "AMP"),
        ("mA", 1e-3, 0.0, "4K"),
        ("V", 1.0, 0.0, "VLT"),
        ("kV", 1e3, 0.0, "KVT"),
        ("mV", 1e-3, 0.0, "2Z"),
        ("mOhm", 1e-3, 0.0, "E45"),
        ("N.m", 1.0, 0.0, "NU"),
        ("kg", 1.0, 0.0, "KGM"),
        ("g", 1e-3, 0.0, "GRM"),
        ("g/m2", 1e-3, 0.0, "GM"),
        ("kg/h", 1 / 3600, 0.0, "E93"),
        ("kg/min", 1 / 60, 0.0, "F31"),
        ("g/min", 1e-3 / 60, 0.0, "F28"),
        ("N", 1.0, 0.0, "NEW"),
        ("pL", 1e-15, 0.0, "Q33"),
        ("rpm", 1 / 60, 0.0, "RPM"),
        ("rpm/s", 1 / 60, 0.0, ""),
        ("1/min", 1 / 60, 0.0, "C94"),
        ("uSv/h", 1e-6 / 3600, 0.0, "P72"),
        ("J/mm2", 1e6, 0.0, ""),
        ("kJ/mm", 1e6, 0.0, ""),
        ("Ohm", 1.0, 0.0, "OHM"),
        ("mT", 1e-3, 0.0, "C29"),
        ("mg/m3", 1e-6, 0.0, "GP"),
        ("deg", 0.017453292519943295, 0.0, "DD"),
    )
}


def unit(symbol: str) -> Unit:
    """The unit of a symbol; ``KeyError`` naming the known symbols if there is none."""
    try:
        return UNITS[symbol]
    except KeyError:
        raise KeyError(f"unknown unit {symbol!r}; known: {', '.join(UNITS)}") from None

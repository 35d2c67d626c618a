"""Part and plate of the wire machines: a thick plate, and a first layer fused to it."""

from __future__ import annotations

from twin.equipment.substrate import DepositedPart
from twin.physics.deposition import thick_rise
from twin.signals import measured

__all__ = ["WeldedPart"]


class WeldedPart(DepositedPart):
    """A part welded onto a thick plate that is clamped to a cooled table."""

    temperature = measured("degC", low=0, high=1500, start=20, noise=0.2, quantum=0.1,
                           companion="Monitoring/Process/InterpassTemperature",
                           doc="interpass temperature: thermocouple in the part beside the bead")

    PLATE_CAPACITY = 40_000.0  # J/K: about 80 kg of steel, default
    TABLE = 60.0  # W/K through the clamps into the cooled table, default
    CONTACT = 25_000.0  # W/(m2 K): fused, some millimetres into the plate, default
    TRANSFER = 20.0  # W/(m2 K) convection under the torch's gas, default
    EMISSIVITY = 0.7  # oxidised metal, default
    SINCE = 4.0  # s since the neighbouring bead was laid beside it, mean over a pass, default

    def interpass(self, time: float) -> float:
        assert self.alloy is not None
        body = self._at("temperature", time)
        energy, ended = self._local
        if energy > 0:
            k = float(self.alloy.conductivity(min(max(body, 300.0), self.alloy.solidus)))
            after = time - ended + self.SINCE
            body += min(float(thick_rise(energy, k, after)),
                        0.5 * max(self.alloy.solidus - body, 0.0))
        return body

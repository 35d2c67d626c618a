"""Plants of metal additive manufacturing: simulated processes, physics and signal declarations."""

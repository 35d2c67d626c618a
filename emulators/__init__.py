"""Simulated meets wall time: recipes, controllers, the pacer, the journal and the record."""

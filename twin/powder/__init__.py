"""Powder as lots: what a powder is, what is done with it, where it came from."""

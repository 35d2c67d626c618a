"""A works: stores, supplies, people, upkeep and the accounts of several machines."""

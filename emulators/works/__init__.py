"""A works of several machines: plans, members, one clock."""

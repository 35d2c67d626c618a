"""Reusable equipment that machines are put together from."""

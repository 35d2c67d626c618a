"""The machines of a metal-AM works, each put together from equipment."""

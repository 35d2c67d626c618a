"""Soft-PLC programs: sequence, interlocks and alarms, one module per machine."""

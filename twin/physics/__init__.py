"""Pure physics of the processes: functions of numbers and arrays, SI units, no plant."""

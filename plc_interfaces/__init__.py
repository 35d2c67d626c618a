"""Wires: OPC UA and Modbus servers and clients over declared signals, and who may do what."""

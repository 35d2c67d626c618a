"""OPC UA: a hardened asyncua server, companion specifications, alarms and security."""

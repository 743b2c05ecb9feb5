"""The only gate to an actuator: limits, ledger, interlocks, leases, supervisor."""

"""The only gate to an actuator: limits, ledger, interlocks, gate, supervisor, authentication."""

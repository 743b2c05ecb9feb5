"""The host service: takes telemetry, stores it, shows it, sends commands."""

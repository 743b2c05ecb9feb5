"""The simulated board: wiring of parts, world and clock."""

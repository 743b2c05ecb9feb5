"""The simulated flash and its faults."""

"""Fault codes: why a channel has no value. `descriptions` explains each to the operator."""

FAULTS = (
    "no_ack", "crc", "timeout", "power_on_value", "saturated", "out_of_range", "jump", "flat",
    "noisy", "stale", "no_temperature", "uncalibrated", "in_air",
    "mismatch", "pair_differs", "pair_suspect",
)

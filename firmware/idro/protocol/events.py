"""Kinds of event that a node reports besides its samples. `descriptions` explains each.

The detail of an event is an object of text, integers, booleans and reasons. Volumes are
`volume_ul`, durations `*_ms`, an output is `actuator`, a measured point is `channel`.
"""

EVENTS = (
    "boot", "armed", "dosed", "ran", "refused", "decided", "fault_began", "fault_ended", "stopped",
    "resumed", "latched", "correction", "authority", "configured", "clock_set", "gap",
    "flash_failed", "restarted", "memory_refused", "water", "irrigation_no_flow",
    "irrigation_stuck_on", "air_too_hot", "air_warms", "update_offered", "update_refused",
    "update_downloaded", "update_trial", "update_confirmed", "update_reverted", "certificate",
)

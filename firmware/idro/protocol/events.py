"""Kinds of event: what a node tells besides its samples. One sentence each.

The detail of an event is a flat object of text, integers and booleans. Volumes are `volume_ul`,
durations `*_ms`, an output is `actuator`, a measured point is `channel`.
"""

EVENTS = {
    "boot": "The node started: reset (cause), version, last_error (what ended the boot before).",
    "armed": "Readings were plausible for long enough: dosing is possible from here on.",
    "dosed": "A dose was given: actuator, volume_ul, on_ms, reason, by.",
    "ran": "A switched output ended a run: actuator, on_ms, reason, by.",
    "refused": "The safety gate refused: actuator, reason, by.",
    "decided": "A loop changed its mind: loop, reason.",
    "fault_began": "A channel lost its value: channel, fault.",
    "fault_ended": "A channel has values again: channel, fault, lasted_ms.",
    "stopped": "All dosing was stopped by a person: by.",
    "resumed": "Dosing was released again by a person: by.",
    "latched": "Dosing is locked until a person looks: reason.",
    "configured": "New settings are in force: rev, by.",
    "clock_set": "Wall time became known or was corrected: boot_unix_ms, by_ms.",
    "gap": "Records were thinned because the outbox was full: seq_from, seq_to, count.",
    "flash_failed": "The flash refused to be read or written: part, error.",
    "restarted": "A task of the node failed and was started again: task, error.",
}

"""Alarms after ISA-18.2: what a person must know and act on, told once, cause first."""

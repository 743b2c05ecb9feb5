"""Alarm management after ISA-18.2: evaluation, root cause, state machine and notifications."""

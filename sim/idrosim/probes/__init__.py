"""Probes: from true water to the signal a device reads."""

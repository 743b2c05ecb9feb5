"""Runs the firmware in MicroPython processes."""

"""Runs simulated boards in MicroPython processes."""

"""Simulated hardware modules: machine, esp32, pins, buses and timers."""

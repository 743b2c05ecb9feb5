"""Simulated MicroPython modules of the ESP32: machine, network, time, socket and others."""

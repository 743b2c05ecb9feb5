"""Flashes boards over USB: port, chip, MicroPython and the image (docs/flash.md)."""

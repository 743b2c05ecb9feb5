"""A board over USB: its port, its chip, MicroPython, and the image (docs/flash.md)."""

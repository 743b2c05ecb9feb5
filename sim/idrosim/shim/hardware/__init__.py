"""The modules of the chip: machine, esp32, pins, buses and timers."""

"""Stand-ins for MicroPython modules of the ESP32: machine, network, time, socket and the like."""

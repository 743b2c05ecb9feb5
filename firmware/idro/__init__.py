"""Idroserra on the board: imports the same on ESP32, in the simulator and on the host."""

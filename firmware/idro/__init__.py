"""Firmware of a node: runs on the ESP32 and in the simulator; the host imports `protocol`."""

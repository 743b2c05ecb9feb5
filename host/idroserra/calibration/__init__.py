"""Calibration of probes and pumps: procedures, fits, sessions and history."""

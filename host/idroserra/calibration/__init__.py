"""Calibration of probes and pumps: points into settings, and why a point is refused."""

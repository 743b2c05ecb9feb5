"""What is due at a node: calibration, bottles, water, stages, harvest, updates."""

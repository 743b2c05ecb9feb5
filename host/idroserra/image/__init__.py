"""Builds the firmware image of a board."""

"""The firmware image of a board."""

"""Previews: simulates the next days of a node in the twin, from what the host knows."""

"""Many greenhouses at once, vectorised."""

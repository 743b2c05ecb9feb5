"""The kernel of an update: which application runs, what may become one. Changed over USB."""

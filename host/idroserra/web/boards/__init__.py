"""Boards on the page: put together, checked as one chooses, kept by the host."""

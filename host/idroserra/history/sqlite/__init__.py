"""Measurement history in SQLite."""

"""Foundations of the host: configuration, errors, validation, SQLite, exit codes."""

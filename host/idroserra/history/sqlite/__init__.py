"""The history store in SQLite."""

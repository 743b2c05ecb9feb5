"""Counts the commits of a SQLite connection."""

from contextlib import contextmanager


@contextmanager
def commits_of(connection):
    """Yield a list that gets each COMMIT of the connection."""
    found = []
    connection.set_trace_callback(
        lambda sql: found.append(sql) if sql.startswith("COMMIT") else None)
    try:
        yield found
    finally:
        connection.set_trace_callback(None)

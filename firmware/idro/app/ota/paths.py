"""Size and removal of files that may not exist."""

import os


def size_of(path):
    """Return the bytes of a file, or None if there is no such file."""
    try:
        return os.stat(path)[6]
    except OSError:
        return None


def remove(path):
    """Delete a file if it exists."""
    if size_of(path) is not None:
        os.remove(path)

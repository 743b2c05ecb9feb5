"""Which application runs, and what knows where others lie: in folders, or in partitions.

The two that know it, idro.update.files and idro.update.partitions, have the same functions.
"""

CONFIRM_WITHIN_MS = 600_000


class Running:
    """The application that runs in this boot."""

    slot = ""  # "a", "b", or "" for the flashed one
    state = "base"  # "base", "trial" or "ok"
    tries = 0  # boots it has left after this one
    version = ""  # of its manifest, "" for the flashed one
    is_frozen = False  # True where the application is frozen into MicroPython


running = Running()


def place():
    """Return the module that chooses, checks and starts applications on this board."""
    if running.is_frozen:
        from idro.update import partitions

        return partitions
    from idro.update import files

    return files

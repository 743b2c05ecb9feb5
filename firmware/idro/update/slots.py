"""Which application runs in this boot."""

CONFIRM_WITHIN_MS = 600_000


class Running:
    """The application that runs in this boot."""

    slot = ""  # "a", "b", or "" for the flashed one
    state = "base"  # "base", "trial" or "ok"
    tries = 0  # boots it has left after this one
    version = ""  # of its manifest, "" for the flashed one


running = Running()

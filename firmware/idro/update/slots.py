"""The application slot that runs in this boot."""

CONFIRM_WITHIN_MS = 600_000


class RunningSlot:
    """Set by boot_select before the application is imported."""

    slot = ""  # "a", "b", or "" for the flashed one
    state = "base"  # "base", "trial" or "ok"
    tries = 0  # boots left after this one
    version = ""  # from its manifest, "" for the flashed one


running = RunningSlot()

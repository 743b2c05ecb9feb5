"""Runs after boot.py: the watchdog first, then the application that the kernel chooses."""

from idro.update import chip

feed = chip.start_watchdog()

from idro.update import select  # noqa: E402  what hangs or fails from here on is reset


def load_app():
    """Return the main function of the application, from where imports point by then."""
    from idro.app import node

    return node.main


select.start(feed, load_app)

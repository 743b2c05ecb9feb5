"""Runs after boot.py: the watchdog first, then the application that the kernel chooses."""

from idro.update import platform

feed = platform.start_watchdog()

from idro.update import boot_select  # noqa: E402  what hangs or fails from here on is reset


def load_app():
    """Return the main function of the application, from where imports point by then."""
    from idro.app import node

    return node.main


boot_select.start(feed, load_app)

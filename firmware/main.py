"""Runs after boot.py: starts the watchdog, then the application that the kernel selects."""

from idro.update import platform

feed = platform.start_watchdog()

from idro.update import boot_select  # noqa: E402  the watchdog covers it


def load_app():
    """Import the application from the selected slot; returns its main function."""
    from idro.app import node

    return node.main


boot_select.start(feed, load_app)

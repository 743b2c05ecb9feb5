"""Runs after boot.py: the watchdog first, then the application that the kernel chooses."""

from idro.update import chip

feed = chip.start_watchdog()

from idro.update import select  # noqa: E402  what hangs or fails from here on is reset

select.start(feed)

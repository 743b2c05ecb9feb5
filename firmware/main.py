"""Runs after boot.py: the watchdog first, then the node's composition root."""

from idro.app import hardware

feed = hardware.start_watchdog()

from idro.app import node  # noqa: E402  what hangs or fails from here on is reset

node.main(feed)

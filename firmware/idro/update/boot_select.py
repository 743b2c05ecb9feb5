"""Chooses the application of this boot, and sees to it that one on trial proves itself.

A try is taken off before the first line of it is imported: whatever it does then, hang, raise or
reset, after three boots the one before it runs again. The kernel is imported from the root before
imports are pointed at a slot, so that idro.safety is always the kernel's.
"""

import sys
import time

import idro.protocol
import idro.protocol.release_layout
import idro.protocol.types
import idro.safety
import idro.update
from idro.safety import safe_outputs
from idro.update import platform, slots

_PACKAGES = ((idro, "/idro"), (idro.protocol, "/idro/protocol"))


def start(feed, load_app):
    """Run the application: load_app() imports it and returns its main function.

    `feed()` feeds the watchdog, which is already running."""
    try:
        from idro.update import file_slots

        file_slots.select_slot()
    except OSError as error:
        print("flash refuses, the flashed application runs:", error)
        slots.running.slot, slots.running.state = "", "base"
    if slots.running.slot:
        for package, path in _PACKAGES:
            package.__path__ = "/" + slots.running.slot + path
    if slots.running.state == "trial":
        feed = _guarded(feed)
    try:
        main = load_app()
    except Exception as failure:
        _doubt(failure)
        raise
    main(feed)


def _guarded(feed):
    """Return a feed() that takes the application back when it does not prove itself in time."""
    started_ms = time.ticks_ms()

    def feed_in_time():
        passed_ms = time.ticks_diff(time.ticks_ms(), started_ms)
        if slots.running.state == "trial" and passed_ms > slots.CONFIRM_WITHIN_MS:
            take_back("ten minutes brought no confirmation")
        feed()

    return feed_in_time


def take_back(why):
    """Take the application on trial back, and reset into the one before it. Never returns."""
    safe_outputs.drive_all_safe()
    try:
        from idro.update import file_slots

        file_slots.rollback(why)
    except OSError as error:
        print("flash refuses, the update will be taken back by its tries:", error)
    platform.restart()


def _doubt(failure):
    """Put a confirmed application that cannot be imported on trial again."""
    sys.print_exception(failure)
    if slots.running.state == "ok":
        try:
            from idro.update import file_slots

            file_slots.restart_trial()
        except OSError as error:
            print("flash refuses:", error)

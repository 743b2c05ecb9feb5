"""Selects the application of this boot and rolls back one on trial that is not confirmed.

A try is used up before the application is imported: whether it hangs, raises or resets, after
three boots the previous one runs again. The kernel is imported from the root before the import
paths change to a slot, so that idro.safety is always the kernel's.
"""

import sys
import time

import idro.protocol
import idro.protocol.release_layout
import idro.protocol.types
import idro.safety
import idro.update
from idro.protocol.reason import Reason
from idro.safety import safe_outputs
from idro.update import platform, slots

_PACKAGES = ((idro, "/idro"), (idro.protocol, "/idro/protocol"))


def start(feed, load_app):
    """Run the main function that load_app() returns. `feed()` feeds the running watchdog."""
    try:
        from idro.update import file_slots

        file_slots.select_slot()
    except OSError as error:
        print("flash failed, the flashed application runs:", error)
        slots.running.slot, slots.running.state = "", "base"
    if slots.running.slot:
        for package, path in _PACKAGES:
            package.__path__ = "/" + slots.running.slot + path
    if slots.running.state == "trial":
        feed = _with_deadline(feed)
    try:
        main = load_app()
    except Exception as failure:
        _retry_trial(failure)
        raise
    main(feed)


def _with_deadline(feed):
    """Return a feed() that rolls the application back if it is not confirmed in time."""
    started_ms = time.ticks_ms()

    def feed_in_time():
        passed_ms = time.ticks_diff(time.ticks_ms(), started_ms)
        if slots.running.state == "trial" and passed_ms > slots.CONFIRM_WITHIN_MS:
            roll_back(Reason("ten_minutes"))
        feed()

    return feed_in_time


def roll_back(reason):
    """Roll back the application on trial and reset into the previous one. Never returns."""
    safe_outputs.drive_all_safe()
    try:
        from idro.update import file_slots

        file_slots.rollback(reason)
    except OSError as error:
        print("flash failed, the update will be rolled back by its tries:", error)
    platform.restart()


def _retry_trial(failure):
    """Restart the trial of a confirmed application that cannot be imported."""
    sys.print_exception(failure)
    if slots.running.state == "ok":
        try:
            from idro.update import file_slots

            file_slots.restart_trial()
        except OSError as error:
            print("flash failed:", error)

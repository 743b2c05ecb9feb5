"""Chooses the application of this boot, and sees to it that one on trial proves itself.

A try is taken off before the first line of it is imported: whatever it does then, hang, raise or
reset, after three boots the one before it runs again. The kernel is imported from the root before
imports are pointed at a slot, so that idro.safety is always the kernel's.
"""

import sys
import time

import idro.app
import idro.protocol
import idro.protocol.kernel
import idro.protocol.samples
import idro.safety
import idro.update
from idro.app import outputs_off
from idro.errors import UpdateError
from idro.update import chip, slots

_PACKAGES = ((idro, "/idro"), (idro.app, "/idro/app"), (idro.protocol, "/idro/protocol"))


def start(feed):
    """Run the application. `feed()` feeds the watchdog, which runs already."""
    try:
        _choose()
    except OSError as error:
        print("flash refuses, the flashed application runs:", error)
        slots.running.slot, slots.running.state = "", "base"
    if slots.running.slot:
        for package, path in _PACKAGES:
            package.__path__ = "/" + slots.running.slot + path
    if slots.running.state == "trial":
        feed = _guarded(feed)
    try:
        from idro.app import node
    except Exception as failure:
        _doubt(failure)
        raise
    node.main(feed)


def _choose():
    """Fill in slots.running, and take a try off. Raises OSError."""
    if slots.read() is None:
        return
    from idro.update import memory

    chosen = _fitting(memory)
    if chosen is None:
        return
    slot, state, tries, fallback, found = chosen
    if state == "trial":
        slots.put_on_trial(slot, tries - 1, fallback)
    else:
        try:
            memory.raise_counter(found.security_counter)  # where the power went before it was
        except OSError as error:
            print("the security counter stays:", error)
    running = slots.running
    running.slot, running.state, running.tries = slot, state, max(0, tries - 1)
    running.version = found.version


def _fitting(memory):
    """Take back what had its tries or does not fit; return (slot, state, tries, fallback, Header)
    of what runs then, None for the flashed application. Raises OSError."""
    while True:
        pointer = slots.read()
        if pointer is None:
            return None
        slot, state, tries, fallback = pointer
        try:
            found = memory.header(slot)
            why = memory.fits(found)
        except (OSError, UpdateError):
            found, why = None, "its manifest cannot be read"
        if why is None and state == "trial" and tries == 0:
            why = "three boots brought no confirmation"
        if why is None:
            return slot, state, tries, fallback, found
        memory.revert(slot, fallback, why)


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
    from idro.update import memory

    outputs_off.drive_all_safe()
    pointer = slots.read()
    if pointer is not None and pointer[1] == "trial":
        try:
            memory.revert(pointer[0], pointer[3], why)
        except OSError as error:
            print("flash refuses, the update will be taken back by its tries:", error)
    chip.restart()


def _doubt(failure):
    """A confirmed application that cannot be imported is put on trial anew."""
    sys.print_exception(failure)
    if slots.running.state == "ok":
        try:
            slots.put_on_trial(slots.running.slot, slots.TRIES - 1, "")
        except OSError as error:
            print("flash refuses:", error)

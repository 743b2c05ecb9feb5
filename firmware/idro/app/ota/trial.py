"""The trial of an application that was updated: as well as the one before it, or it goes.

After five minutes everything must be in order; it is looked at until ten have passed, and then the
one before has its place again. Nothing is dosed meanwhile.
"""

import gc

from idro.update import boot_select, file_slots, slots
from idro.update.verify import BEFORE

CONFIRM_AFTER_MS = 300_000
# Before the kernel gives up by itself.
_GIVE_UP_MS = slots.CONFIRM_WITHIN_MS - 10_000
_PLAUSIBLE_MS = 60_000
_LOOK_MS = 5_000
_MIN_HEAP_B = 24_000


async def watch(node):
    """Return once the application is confirmed. Otherwise it is taken back: never returns."""
    was_online, channels = _before()
    since_ms = {}  # channel: plausible since
    while True:
        await node.clock.sleep_ms(_LOOK_MS)
        now_ms = node.clock.now_ms()
        _look(node, channels, since_ms, now_ms)
        why = _missing(node, was_online, channels, since_ms, now_ms)
        if now_ms >= CONFIRM_AFTER_MS and why is None:
            try:
                file_slots.confirm()
                return
            except OSError as error:
                why = f"flash failed: {error!r}"
        if node.failed_task or now_ms >= _GIVE_UP_MS:
            node.gate.off_all()
            boot_select.take_back(why or "ten minutes brought no confirmation")


def _before():
    """Return (line was up, channels that had values) as the node was before."""
    try:
        with open(f"/{slots.running.slot}/{BEFORE}") as file:
            lines = file.read().split("\n")
    except (OSError, ValueError):
        return False, ()
    return lines[0] == "online", [line for line in lines[1:] if line]


def _look(node, channels, since_ms, now_ms):
    for channel in channels:
        sample = node.sampler.readings.get(channel)
        if sample is None or sample.fault is not None:
            since_ms.pop(channel, None)
        else:
            since_ms.setdefault(channel, now_ms)


def _missing(node, was_online, channels, since_ms, now_ms):
    """Return what is not as well as before, or None."""
    if node.failed_task:
        return f"its task {node.failed_task} failed"
    for channel in channels:
        if now_ms - since_ms.get(channel, now_ms) < _PLAUSIBLE_MS:
            return f"{channel} has no plausible reading"
    if node.ledger_error:
        return "the dose ledger cannot be read"
    gc.collect()
    if gc.mem_free() < _MIN_HEAP_B:
        return f"memory is low, {gc.mem_free() // 1_000} kB are free"
    if was_online and not node.link.is_stored_lately:
        return "the host has stored nothing"
    return None

"""The trial of an updated application: confirms it once it is as healthy as the one before.

It may be confirmed after five minutes and is rolled back after ten. Nothing is dosed meanwhile.
"""

import gc

from idro.protocol.reason import Reason
from idro.update import boot_select, file_slots, slots
from idro.update.verify import HEALTH_FILE

CONFIRM_AFTER_MS = 300_000
# Before the kernel's own deadline.
_ROLL_BACK_MS = slots.CONFIRM_WITHIN_MS - 10_000
_PLAUSIBLE_MS = 60_000
_CHECK_EVERY_MS = 5_000
_MIN_HEAP_B = 24_000


async def watch(context, ledger, network):
    """Return once the application is confirmed. Otherwise roll it back and never return."""
    was_online, channels = _saved_health()
    readings = context.sampler.readings
    since_ms = {}  # channel: plausible since
    while True:
        await context.clock.sleep_ms(_CHECK_EVERY_MS)
        now_ms = context.clock.now_ms()
        for channel in channels:
            sample = readings.get(channel)
            if sample is None or sample.fault is not None:
                since_ms.pop(channel, None)
            else:
                since_ms.setdefault(channel, now_ms)
        failed_task = context.events.failed_task
        reason = Reason("task_failed", task=failed_task) if failed_task else None
        for channel in channels:
            if reason is None and now_ms - since_ms.get(channel, now_ms) < _PLAUSIBLE_MS:
                reason = Reason("channel_missing", channel=channel)
        reason = reason or _missing(ledger, network, was_online)
        if now_ms >= CONFIRM_AFTER_MS and reason is None:
            try:
                file_slots.confirm()
                return
            except OSError as error:
                reason = Reason("flash_failed", detail=repr(error))
        if failed_task or now_ms >= _ROLL_BACK_MS:
            context.gate.off_all()
            boot_select.roll_back(reason or Reason("ten_minutes"))


def _saved_health():
    """Return (was online, channels with values) as saved before the update."""
    try:
        with open(f"/{slots.running.slot}/{HEALTH_FILE}") as file:
            lines = file.read().split("\n")
    except (OSError, ValueError):
        return False, ()
    return lines[0] == "online", [line for line in lines[1:] if line]


def _missing(ledger, network, was_online):
    """Return the Reason that names what is worse than before the update, or None."""
    if ledger.error:
        return Reason("ledger_unreadable")
    gc.collect()
    if gc.mem_free() < _MIN_HEAP_B:
        return Reason("memory_low", free_kb=gc.mem_free() // 1_000)
    if was_online and not network.is_stored_lately:
        return Reason("nothing_stored")
    return None

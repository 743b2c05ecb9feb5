"""Determines the epoch of a boot: the wall time at its at_ms 0.

It is decided once: a later change would give the records of a boot two times. Only one that proves
to be in the future is decided again (ReceiptLog.decide_again). The first available source wins:
the node, the chain of boots in up/info, the time of arrival. A source that names an impossible
time is none.
"""

from __future__ import annotations

from collections.abc import Callable

from idroserra.core import protocol
from idroserra.core.plausibility import is_wall_time


def boot_start(
    batch: protocol.Batch, hint_unix_ms: int | None, arrived_less_sent_ms: int | None,
    received_unix_ms: int,
) -> int:
    """Return the epoch of the boot of `batch`.

    hint_unix_ms is from up/info; arrived_less_sent_ms is the minimum of arrival time less
    sent_at_ms over messages of the running boot. A message that waited in the broker gives a
    later time, so the minimum is used.
    """
    if is_wall_time(batch.boot_unix_ms, received_unix_ms):
        return int(batch.boot_unix_ms)
    known = [unix_ms for unix_ms in (hint_unix_ms, arrived_less_sent_ms)
             if unix_ms is not None and is_wall_time(unix_ms, received_unix_ms)]
    if known:
        return min(known)
    return received_unix_ms - int(batch.records[-1].at_ms)


def boot_hints(
    info: protocol.Info, received_unix_ms: int | None, known: Callable[[str], int | None]
) -> dict[str, int]:
    """Return {boot_id: epoch} from up/info, of the running boot and the ones before it.

    received_unix_ms is None for a retained message, whose arrival time is meaningless. `known`
    returns the epoch of a boot that is already decided.
    """
    epoch = known(info.boot_id)
    if epoch is None and is_wall_time(info.boot_unix_ms, received_unix_ms or 0):
        epoch = int(info.boot_unix_ms)
    if epoch is None and received_unix_ms is not None:
        epoch = received_unix_ms - int(info.at_ms)
    if epoch is None:
        return {}
    hints = {str(info.boot_id): epoch}
    for boot_id, last_at_ms in reversed(info.boots):
        decided = known(boot_id)
        epoch = epoch - last_at_ms if decided is None else decided
        hints[boot_id] = epoch
    return hints

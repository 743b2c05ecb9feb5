"""Dosing authority: the share of the budgets a node may spend. It is earned, never granted.

A new node doses with 25 % of the hourly and daily budgets. Three days of uptime, chained over
resets, with dosing on and no latch, earn it the share in its settings; only time counts in which
the readings are plausible and a dose of the last day has had its effect. A latch revokes it. The
earned time is stored in NVS, not in a setting (docs/adr/0011).
"""

from idro.safety.ledger import STOPPED
from idro.safety.limits import EARN_MS, REDUCED_PCT

_SAVE_EVERY_MS = 600_000
_ENABLED, _AUTHORITY = "dosing.enabled", "dosing.authority_pct"


class DosingAuthority:
    """Earned authority, loaded from NVS (`store`). Call update() once a minute."""

    def __init__(self, store, chain_ms):
        self._store = store
        self._chain_ms = chain_ms
        self._earned_ms = min(EARN_MS, max(0, store.number("earned_s") or 0) * 1_000)
        self._saved_ms = self._earned_ms
        self._updated_ms = chain_ms()

    @property
    def left_ms(self):
        """The ms of reduced authority left, 0 once full authority is earned."""
        return EARN_MS - self._earned_ms

    def granted_pct(self, values):
        """Return the granted share of the budgets, %, under the settings `values`."""
        set_pct = values[_AUTHORITY]
        return set_pct if self.left_ms == 0 else min(set_pct, REDUCED_PCT)

    def update(self, values, latch_code, is_proven):
        """Add the time since the last call; any latch but a person's stop resets it to 0.

        `is_proven`: the readings are plausible, and a dose of the last day worked.
        """
        now_ms = self._chain_ms()
        passed_ms = now_ms - self._updated_ms
        self._updated_ms = now_ms
        if latch_code:
            if latch_code != STOPPED:
                self._earned_ms = 0
        elif is_proven and values[_ENABLED] and values[_AUTHORITY]:
            self._earned_ms = min(EARN_MS, self._earned_ms + passed_ms)
        is_limit = self._earned_ms in (0, EARN_MS)
        due_ms = 0 if is_limit else _SAVE_EVERY_MS
        if abs(self._earned_ms - self._saved_ms) > due_ms:
            self._save()

    def _save(self):
        try:
            self._store.put(earned_s=self._earned_ms // 1_000)
        except OSError as error:
            print("dosing authority not saved:", error)
            return
        self._saved_ms = self._earned_ms

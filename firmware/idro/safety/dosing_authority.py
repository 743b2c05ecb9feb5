"""How much of its budgets a node may spend: full authority is earned, never given by a message.

A new node doses with a quarter of every hour's and day's budget. Three days of uptime, chained
over resets, in which it dosed so and nothing latched, earn it what its settings ask for. A latch
takes that away again. What was earned lives in NVS and in no setting (docs/adr/0011).
"""

from idro.safety.ledger import STOPPED
from idro.safety.limits import EARN_MS, REDUCED_PCT

_KEEP_EVERY_MS = 600_000
_ENABLED, _ASKED = "dosing.enabled", "dosing.authority_pct"


class DosingAuthority:
    """What was earned: read at construction, watched once a minute. `store` is the node's NVS."""

    def __init__(self, store, chain_ms):
        self._store = store
        self._chain_ms = chain_ms
        self._earned_ms = min(EARN_MS, max(0, store.number("earned_s") or 0) * 1_000)
        self._kept_ms = self._earned_ms
        self._seen_ms = chain_ms()

    @property
    def left_ms(self):
        """The time with reduced authority that is still ahead, 0 where full is earned."""
        return EARN_MS - self._earned_ms

    def granted_pct(self, values):
        """Return the share of the budgets in force under the settings `values`."""
        asked_pct = values[_ASKED]
        return asked_pct if self.left_ms == 0 else min(asked_pct, REDUCED_PCT)

    def watch(self, values, latch_code):
        """Count the time that has passed; a latch but for a person's stop takes all of it."""
        now_ms = self._chain_ms()
        passed_ms = now_ms - self._seen_ms
        self._seen_ms = now_ms
        if latch_code:
            if latch_code != STOPPED:
                self._earned_ms = 0
        elif values[_ENABLED] and values[_ASKED]:
            self._earned_ms = min(EARN_MS, self._earned_ms + passed_ms)
        is_turn = self._earned_ms in (0, EARN_MS)
        due_ms = 0 if is_turn else _KEEP_EVERY_MS
        if abs(self._earned_ms - self._kept_ms) > due_ms:
            self._keep()

    def _keep(self):
        try:
            self._store.put(earned_s=self._earned_ms // 1_000)
        except OSError as error:
            print("authority cannot be kept:", error)  # less is known after a reset: it is safe
            return
        self._kept_ms = self._earned_ms

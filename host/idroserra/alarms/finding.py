"""The result of evaluating a rule for one subject."""

from __future__ import annotations

from typing import NamedTuple

from idroserra.core.reasons import Reason


class Finding(NamedTuple):
    """is_present: None if unknown. part: a channel, doser, bus, target, or "". reason: why it is
    present or not, None for nothing to add.

    covers: the channels of the node whose alarms this explains; empty for all of them."""

    rule: str
    site: str
    node: str
    part: str
    is_present: bool | None
    reason: Reason | None
    covers: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The alarm's key: rule, rule/node, rule/node/part, or rule/@site."""
        if self.node:
            where = f"{self.rule}/{self.node}"
            return f"{where}/{self.part}" if self.part else where
        return f"{self.rule}/{self.part}" if self.part else self.rule

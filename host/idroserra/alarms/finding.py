"""What a rule found about one thing: is it so, and in which words."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """is_present: None where nobody knows. part: a channel, doser, bus, target, or "".

    covers: the channels of the node that this explains, empty for all of them."""

    rule: str
    site: str
    node: str
    part: str
    is_present: bool | None
    text: str
    covers: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The alarm's name: rule, or rule/node, or rule/node/part, or rule/@site."""
        if self.node:
            where = f"{self.rule}/{self.node}"
            return f"{where}/{self.part}" if self.part else where
        return f"{self.rule}/{self.part}" if self.part else self.rule

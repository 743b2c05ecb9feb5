"""The judge of the campaign: reads a lockstep run and says which invariants did not hold.

It sees pin edges, resets, what is true and what the node told, and integrates pumps itself. It
shares no code with the firmware, least of all with its safety gate, and takes its figures from the
hazard table (docs/safety.md).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from idrosim.campaign.invariants import dosing, ledger, outputs
from idrosim.campaign.invariants.case_terms import Quota, Sign, Silence, Terms, Violation
from idrosim.campaign.invariants.trace import Record

__all__ = ["Quota", "Record", "Sign", "Silence", "Terms", "Violation", "judge"]

_MOST_TOLD = 5  # of one invariant: the first ones tell

CHECKS: tuple[Callable[[Record, Terms], Iterator[Violation]], ...] = (
    dosing.budgets, dosing.corrections, dosing.quanta, dosing.apart,
    dosing.armed, dosing.mixed, dosing.directions, dosing.silences,
    outputs.off_at_resets, outputs.resets, outputs.fills,
    outputs.dry_runs, outputs.light, outputs.commands, outputs.period,
    outputs.signs,
)


def judge(record: Record, terms: Terms, flash: Path | None = None) -> list[Violation]:
    """Return what did not hold, the first few of each invariant, by time.

    `flash` is the folder of the node's flash after the run, for I6.
    """
    found = [violation for check in CHECKS for violation in check(record, terms)]
    if flash is not None:
        found += ledger.charges(record, terms, flash)
    if record.config_error is not None and not terms.is_hostile:
        text = f"the settings of the case were refused: {record.config_error}"
        found.append(Violation("case", 0, text))
    told: dict[str, int] = {}
    first = []
    for violation in sorted(found, key=lambda violation: violation.at_ms):
        told[violation.invariant] = told.get(violation.invariant, 0) + 1
        if told[violation.invariant] <= _MOST_TOLD:
            first.append(violation)
    return first

"""Checks the invariants of a lockstep run.

Input are pin edges, resets, true values and messages of the node; pump volumes are integrated
here. The checks share no code with the firmware, least of all with its safety gate, and their
limits come from the hazard table (docs/safety.md).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from idrosim.campaign.invariants import dosing, ledger, outputs, programs
from idrosim.campaign.invariants.case_terms import (
    CaseTerms,
    DoseQuota,
    ExpectedEvent,
    ExpectedSilence,
    Violation,
)
from idrosim.campaign.invariants.trace import RunTrace

__all__ = ["CaseTerms", "DoseQuota", "ExpectedEvent", "ExpectedSilence", "RunTrace", "Violation",
           "check_invariants"]

_MAX_REPORTED = 5  # violations per invariant

CHECKS: tuple[Callable[[RunTrace, CaseTerms], Iterator[Violation]], ...] = (
    dosing.budgets, dosing.corrections, dosing.quanta, dosing.apart,
    dosing.armed, dosing.mixed, dosing.directions, dosing.silences,
    outputs.off_at_resets, outputs.resets, outputs.off_at_failures, outputs.fills,
    outputs.dry_runs, outputs.light, outputs.commands, outputs.period,
    outputs.expected_events, programs.programs, programs.heat,
)


def check_invariants(
    trace: RunTrace, terms: CaseTerms, flash: Path | None = None
) -> list[Violation]:
    """Return the violations, the first few of each invariant, sorted by time.

    `flash` is the folder of the flash of the node after the run, for I6.
    """
    found = [violation for check in CHECKS for violation in check(trace, terms)]
    if flash is not None:
        found += ledger.charges(trace, terms, flash)
    if trace.config_error is not None and not terms.is_hostile:
        text = f"the settings of the case were refused: {trace.config_error}"
        found.append(Violation("case", 0, text))
    counts: Counter[str] = Counter()
    first = []
    for violation in sorted(found, key=lambda violation: violation.at_ms):
        counts[violation.invariant] += 1
        if counts[violation.invariant] <= _MAX_REPORTED:
            first.append(violation)
    return first

"""`make campaign-forged`: forged commands at a real broker, none of which may move a pin.

    python tests/campaigns/forged/forged.py [--count 1000] [--seed 1]

Exit code 3: a command was executed or got a wrong answer.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from rich.progress import Progress  # noqa: E402

from campaigns.forged.attacker import ATTACKS  # noqa: E402  found beside this file
from campaigns.forged.target import Target  # noqa: E402
from support.wait import wait_until  # noqa: E402

LONG = 600  # So many attacks take longer than the two minutes until a node arms its dosers.
BLINK = {"actuator": "top_off", "for_ms": 300}


def campaign(
    target: Target, count: int, seed: int, progress: Callable[[str], None] = lambda kind: None
) -> tuple[Counter[str], list[str]]:
    """Send `count` attacks; return (attacks by kind, errors).

    Valid commands before and after must open the valve, which shows that the check works."""
    attacker = target.attacker(seed)
    wrong: list[str] = []
    for number in range(3):
        attacker.recorded.append(target.obey(f"valid-{number}", "run", BLINK))
    _wait_shut(target)
    before = len(target.edges)
    assert _opened(target, 0), "a valid command opens the valve"
    kinds = attacker.order(count)
    for number, kind in enumerate(kinds):
        name = f"try-{number}"
        payload, outcome = ATTACKS[kind](attacker, name)
        target.send(payload)
        if outcome is not None:
            wrong += _check_answer(target, kind, name, outcome)
        progress(kind)
    target.obey("valid-last", "resume", {})
    wrong += [f"pin {name} went to {level}" for name, level in target.edges[before:]]
    while not target.acks.empty():
        wrong.append(f"unexpected answer: {target.acks.get()}")
    seen_before = len(target.edges)
    target.obey("valid-blink", "run", BLINK)
    assert _opened(target, seen_before), "a valid command still opens the valve"
    if count >= LONG:  # the dosers are armed by now
        target.obey("valid-dose", "dose", {"actuator": "ph_down", "volume_ul": 1_000})
        assert ("ph_down", 1) in target.edges[seen_before:], "a valid dose runs its pump"
    return Counter(kinds), wrong


def _check_answer(target: Target, kind: str, name: str, outcome: str) -> list[str]:
    """Return what is wrong with the answer. A replay gets the answer of the first command."""
    if outcome == "seen":
        ack = target.acks.get(timeout=100)
        is_right = ack["id"].startswith("valid-") and ack["outcome"] == "done"
    else:
        ack = target.answer(name)
        is_right = ack["outcome"] == outcome and bool(ack["reason"])
    return [] if is_right else [f"{kind}: {ack}"]


def _opened(target: Target, since: int) -> bool:
    return ("top_off", 1) in target.edges[since:]


def _wait_shut(target: Target) -> None:
    wait_until(lambda: [level for name, level in target.edges if name == "top_off"][-1:] == [0],
               20, "the valve to shut")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="idroserra-forged-") as folder, Progress() as bars:
        bar = bars.add_task("the node starts", total=options.count)
        with Target(Path(folder), options.seed) as target:
            kinds, wrong = campaign(
                target, options.count, options.seed,
                lambda kind: bars.update(bar, advance=1, description=f"{kind:<36}"))
            flagged = target.relay.flagged_count
    for kind, count in sorted(kinds.items()):
        print(f"{kind:<38} {count:>5}")
    print(f"{sum(kinds.values())} commands, {flagged} of them flagged as retained, "
          f"{len(wrong)} executed or wrongly answered")
    for text in wrong:
        print(f"  {text}")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

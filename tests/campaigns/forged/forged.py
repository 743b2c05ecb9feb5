"""`make campaign-forged`: forged commands and down/stored at a real broker.

No command may move a pin, and no down/stored may erase a record or move the clock.

    python tests/campaigns/forged/forged.py [--count 1000] [--seed 1]

Exit code 3: one had an effect, or a command got a wrong answer.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from rich.progress import Progress  # noqa: E402

from campaigns.forged.attacker import ATTACKS, STORED_ATTACKS, Answered  # noqa: E402  found beside this file
from campaigns.forged.target import BLINK, Target  # noqa: E402
from support.wait import wait_until  # noqa: E402

LONG = 600  # So many attacks take longer than the two minutes until a node arms its dosers.


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


def stored_campaign(target: Target, times: int) -> tuple[int, list[str]]:
    """Send each kind of down/stored so many times; return (number sent, errors).

    A valid answer before and after must be taken, which shows that the check works."""
    valid = [target.confirm(), target.confirm()]
    boot_unix_ms, oldest_seq = target.clock_of_boot(), target.sent.oldest_seq
    events = target.refusals()
    count = 0
    for _ in range(times):
        for attack in STORED_ATTACKS.values():
            target.send_stored(attack(Answered(
                target.boot_id, target.sent.last_seq, target.sent.sent_at_ms,
                time.time_ns() // 1_000_000 + 43_200_000, valid)))
            count += 1
        target.blink(f"valid-stored-{count}")
    wrong = []
    if target.clock_of_boot() != boot_unix_ms:
        wrong.append(f"the clock moved to {target.clock_of_boot()} from {boot_unix_ms}")
    if target.sent.oldest_seq != oldest_seq:
        wrong.append(f"records up to {target.sent.oldest_seq - 1} were erased")
    if target.refusals() > events + 1:
        wrong.append(f"{target.refusals() - events} events about ignored messages")
    target.confirm()
    return count, wrong


def _check_answer(target: Target, kind: str, name: str, outcome: str) -> list[str]:
    """Return what is wrong with the answer. A replay gets the answer of the first command."""
    if outcome == "seen":
        ack = target.acks.get(timeout=100)
        is_right = ack["id"].startswith("valid-") and ack["outcome"] == "done"
    else:
        ack = target.answer(name)
        is_right = ack["outcome"] == outcome and bool(ack["reason"]["code"])
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
            stored_count, more = stored_campaign(target, options.count // len(STORED_ATTACKS))
    for kind, count in sorted(kinds.items()):
        print(f"{kind:<38} {count:>5}")
    print(f"{sum(kinds.values())} commands, {flagged} of them flagged as retained, "
          f"{len(wrong)} executed or wrongly answered")
    print(f"{stored_count} down/stored of {len(STORED_ATTACKS)} kinds, "
          f"{len(more)} effects")
    for text in wrong + more:
        print(f"  {text}")
    return 3 if wrong or more else 0


if __name__ == "__main__":
    sys.exit(main())

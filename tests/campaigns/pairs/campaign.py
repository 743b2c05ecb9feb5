"""`make campaign-pairs`: one of two pH probes goes wrong, 500 times; is it named, and was a dose
given on a lie?

    python tests/campaigns/pairs/campaign.py [--cases 500] [--first 0] [--resume FILE] [--table]

The name counts that stands twelve hours after the node first named one of them: until then it
watches both and may change the name. The share of the first names is printed too.

Cases are run until so many of them lied: a slow probe in water that nothing moves reads right.
Exit code 3: too few named, a dose on a lie, or a healthy probe named. A case in FILE is not run
again.
"""

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

import msgspec  # noqa: E402
from rich.progress import Progress  # noqa: E402

from campaigns.pairs.paired_tank import Outcome, run_case  # noqa: E402  found beside this file
from campaigns.pairs.probe_faults import KINDS  # noqa: E402

LEAST_NAMED = 0.95
# Control gives at most so many doses before a lie is known, as before a flat signal is (I10).
MOST_LIED_DOSES = 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--resume", type=Path, default=Path("build/campaign-pairs.jsonl"))
    parser.add_argument("--table", action="store_true", help="show the results, run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    found = read(asked.resume)
    if not asked.table:
        run_all(asked, found)
    counted = [one for one in found.values() if counts(one)][:asked.cases]
    show(counted, len(found))
    sys.exit(3 if failures(counted) or share_named(counted) < LEAST_NAMED else 0)


def read(path):
    """Return {number: Outcome} of a file of results, {} without one."""
    if not path.exists():
        return {}
    lines = path.read_bytes().splitlines()
    found = [msgspec.json.decode(line, type=Outcome) for line in lines]
    return {one.number: one for one in sorted(found, key=lambda one: one.number)}


def run_all(asked, found):
    """Run cases, appending each Outcome to the file, until enough of them count."""
    asked.resume.parent.mkdir(parents=True, exist_ok=True)
    number = asked.first
    with (asked.resume.open("ab", 0) as file, ProcessPoolExecutor(asked.jobs) as pool,
          Progress() as progress):
        task = progress.add_task("cases", total=asked.cases)
        while (done := sum(map(counts, found.values()))) < asked.cases:
            progress.update(task, completed=done)
            numbers = []
            while len(numbers) < min(10 * asked.jobs, asked.cases - done):
                if number not in found:
                    numbers.append(number)
                number += 1
            for one in pool.map(run_case, numbers):
                found[one.number] = one
                file.write(msgspec.json.encode(one) + b"\n")
                progress.update(task, completed=sum(map(counts, found.values())))


def counts(one):
    """True if the case is one of a fault that showed."""
    return one.lied or one.named is not None


def failures(outcomes):
    """Return a sentence for each case that broke a promise, apart from naming the wrong probe."""
    found = []
    for one in outcomes:
        where = f"case {one.number} ({one.kind}, {one.cell})"
        if one.early:
            found.append(f"{where}: a healthy probe was named before the fault")
        if one.lied_doses > MOST_LIED_DOSES:
            found.append(f"{where}: {one.lied_doses} doses on a lie")
        if one.blind_doses:
            found.append(f"{where}: {one.blind_doses} doses while the probes differed")
        if max(one.worst_hour, one.worst_day) > 1:
            found.append(f"{where}: more than a budget")
    return found


def share_named(outcomes, key="named"):
    """Return the share of the cases in which the wrong probe was named; of the first names with
    the key `first`."""
    right = sum(getattr(one, key) == one.wrong and not one.early for one in outcomes)
    return right / max(1, len(outcomes))


def show(outcomes, ran):
    """Print the results by kind, and what failed."""
    for kind in KINDS:
        own = [one for one in outcomes if one.kind == kind]
        right = sum(one.named == one.wrong and not one.early for one in own)
        other = sum(one.named == 1 - one.wrong or one.early for one in own)
        at_first = sum(one.first == one.wrong and not one.early for one in own)
        hours = sorted(one.hours for one in own if one.named is not None) or [0.0]
        print(f"{kind:20} {len(own):4} cases  {right:4} named ({at_first} at first)  "
              f"{other:3} the other  {len(own) - right - other:3} neither  "
              f"half within {hours[len(hours) // 2]:.1f} h")
    reasons = Counter(one.code for one in outcomes)
    print("named by", ", ".join(f"{code or 'nothing'} {count}" for code, count in
                                reasons.most_common()))
    print(f"doses on a lie: {sum(one.lied_doses for one in outcomes)} in all, "
          f"{max((one.lied_doses for one in outcomes), default=0)} at most in a case")
    for sentence in failures(outcomes):
        print(sentence)
    print(f"{len(outcomes)} of {ran} cases showed; the wrong one named in "
          f"{100 * share_named(outcomes):.1f} %, at first in "
          f"{100 * share_named(outcomes, 'first'):.1f} %")


if __name__ == "__main__":
    main()

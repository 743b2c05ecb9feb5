"""Mutation tests of the scenarios: plants defects in the firmware and checks that one fails.

A defect is a few text replacements in copies of firmware files, and the scenarios that should
break a promise because of it. A defect that no scenario detects has survived: its promises are too
weak. A replacement that does not fit the firmware is an error, so the list stays up to date.
"""

import tempfile
import tomllib
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from idrosim.runner.process import SimulatorError
from idrosim.scenarios import run
from idrosim.scenarios.run import Scenario

# Builds the image of a board, from its name and sources (path on the flash: file), in a folder.
Build = Callable[[str, Mapping[str, Path], Path], None]
LoadBoard = Callable[[str], Mapping[str, Any]]


class MutationError(Exception):
    """The list of defects is invalid, or does not fit the firmware."""


@dataclass(frozen=True)
class Defect:
    """One deliberate defect. `changes` are (path on the flash, old text, new text)."""

    name: str
    text: str
    scenarios: tuple[str, ...]
    changes: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Outcome:
    """Result of a defect: the scenario that detected it, None if it survived, and how."""

    defect: Defect
    caught_by: str | None
    why: str


def load(path: Path) -> list[Defect]:
    """Return the defects of a TOML file with [[defect]] tables, or of all such files in a folder.

    Raises MutationError.
    """
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    return [defect for file in files for defect in _load(file)]


def _load(file: Path) -> list[Defect]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))["defect"]
        return [
            Defect(
                table["name"], table["text"], tuple(table["scenarios"]),
                tuple((c["file"], c["old"], c["new"]) for c in table["change"]))
            for table in tables
        ]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise MutationError(f"{file}: {error!r}") from error


def mutated(defect: Defect, sources: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Return `sources` with the files changed by `defect`, which are written to `folder`.

    Raises MutationError if a text to replace does not occur exactly once.
    """
    texts: dict[str, str] = {}
    for file, old, new in defect.changes:
        if file not in sources:
            raise MutationError(f"{defect.name}: the firmware has no {file}")
        text = texts.get(file) or sources[file].read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise MutationError(
                f"{defect.name}: {file} has this {text.count(old)} times, not once: {old!r}")
        texts[file] = text.replace(old, new)
    changed = dict(sources)
    for number, (file, text) in enumerate(texts.items()):
        changed[file] = folder / f"{number}.py"
        changed[file].write_text(text, encoding="utf-8")
    return changed


def run_defect(
    defect: Defect, scenarios: Path, sources: Mapping[str, Path], build: Build,
    load_board: LoadBoard,
) -> Outcome:
    """Run the scenarios of `defect`, from folder `scenarios`, until one breaks a promise.

    Raises MutationError for a defect that does not fit, ScenarioError for an invalid scenario.
    """
    with tempfile.TemporaryDirectory(prefix="idrosim-mutation-") as name:
        folder = Path(name)
        changed = mutated(defect, sources, folder)
        for wanted in defect.scenarios:
            found = run.load(scenarios / f"{wanted}.toml")
            image = folder / "image"
            build(found.board, changed, image)
            why = _broken(found, load_board(found.board), image)
            if why is not None:
                return Outcome(defect, wanted, why)
    return Outcome(defect, None, "every promise was kept")


def run_defects(
    defects: list[Defect], scenarios: Path, sources: Mapping[str, Path], build: Build,
    load_board: LoadBoard, on_outcome: Callable[[Outcome], None], processes: int = 2,
) -> list[Outcome]:
    """Run `defects` in parallel; call `on_outcome` for each, in order.

    Raises MutationError at once if one does not fit the firmware.
    """
    for defect in defects:
        with tempfile.TemporaryDirectory(prefix="idrosim-mutation-") as folder:
            mutated(defect, sources, Path(folder))
    work = partial(
        run_defect, scenarios=scenarios, sources=dict(sources), build=build, load_board=load_board)
    outcomes = []
    with ProcessPoolExecutor(processes) as pool:
        for outcome in pool.map(work, defects):
            outcomes.append(outcome)
            on_outcome(outcome)
    return outcomes


def _broken(found: Scenario, board: Mapping[str, Any], image: Path) -> str | None:
    """Return how a promise was broken, or None. A board that dies breaks them all."""
    try:
        result = run.run(found, board, image)
    except SimulatorError as error:
        return f"the board died: {str(error).splitlines()[-1].strip()}"
    for verdict in result.verdicts:
        if not verdict.is_kept:
            return f"{verdict.expectation.text}: {verdict.why}"
    return None

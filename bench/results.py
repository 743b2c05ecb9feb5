"""Writes the figures of a bench into its section of bench/RESULTS.md."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("RESULTS.md")


def parameters(description: str, defaults: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the parameters of a bench from the command line, one option for each of `defaults`,
    and whether its section is to be written."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument("--record", action="store_true", help="write the section of RESULTS.md")
    asked = vars(parser.parse_args())
    return asked, bool(asked.pop("record"))


def write_section(name: str, command: str, rows: Iterable[str], file: Path = RESULTS) -> None:
    """Replace the figures of the section `name`: command, date and commit, then the rows.

    Raises ValueError if the file has no such section.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    head, found, rest = file.read_text(encoding="utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{file}: no section {name}")
    now = datetime.now(UTC)
    made = f"`{command}`, {now.day} {now:%B %Y}, commit {_commit(file.parent)}."
    body = "\n".join(rows)
    file.write_text(f"{head}{begin}{made}\n\n{body}\n{end}{tail}", encoding="utf-8")


def _commit(folder: Path) -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=folder,
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

"""The process of one preview: reads a request on stdin, writes JSON lines to stdout.

    {"done": 0.42}   the share done
    {"outcome": {}}  the end
    {"error": {}}    the end with an error: a reason

A separate process, so that the twin does not slow the host down; it ends with the host.
"""

from __future__ import annotations

import json
import os
import sys

import msgspec

from idroserra.core.errors import HostError
from idroserra.core.reasons import Reason, sentence
from idroserra.i18n.errors import reason_of
from idroserra.simulation.preview_request import PreviewRequest

_NICENESS = 15
_LEAST_STEP = 0.005


def main() -> int:
    """Read the request, run it, write the outcome. Returns the exit code."""
    os.nice(_NICENESS)
    try:
        from idroserra.simulation.preview_run import run

        request = msgspec.json.decode(sys.stdin.buffer.read(), type=PreviewRequest)
        _write({"outcome": run(request, _Progress())})
    except ImportError as error:
        _write({"error": Reason("simulator_missing", detail=str(error.name)).as_json()})
        return 1
    except HostError as error:
        _write({"error": (reason_of(error) or sentence(str(error))).as_json()})
        return 1
    return 0


class _Progress:
    """Writes the progress in steps that are worth showing."""

    def __init__(self) -> None:
        self._written = -1.0

    def __call__(self, share: float) -> None:
        if share - self._written >= _LEAST_STEP:
            self._written = share
            _write({"done": round(share, 3)})


def _write(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""The process of one preview: a request on stdin, progress and the outcome as lines of stdout.

    {"done": 0.42}   the share done
    {"outcome": {}}  the end
    {"error": ""}    the other end: one line that says what is wrong

A process of its own, so that the twin takes no time from the host; it ends with the host.
"""

from __future__ import annotations

import json
import os
import sys

import msgspec

from idroserra.core.errors import HostError
from idroserra.simulation.preview_request import Request

_NICENESS = 15
_LEAST_STEP = 0.005


def main() -> int:
    """Read, run, tell. Returns the exit code."""
    os.nice(_NICENESS)
    try:
        from idroserra.simulation.preview_run import run

        request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
        _tell({"outcome": run(request, _Progress())})
    except ImportError as error:
        _tell({"error": f"the preview needs the simulator ({error.name}): "
                        "pip install 'idroserra[sim]'"})
        return 1
    except HostError as error:
        _tell({"error": str(error)})
        return 1
    return 0


class _Progress:
    """Tells how far it is, not more often than anybody can see."""

    def __init__(self) -> None:
        self._told = -1.0

    def __call__(self, share: float) -> None:
        if share - self._told >= _LEAST_STEP:
            self._told = share
            _tell({"done": round(share, 3)})


def _tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

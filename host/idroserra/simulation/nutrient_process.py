"""Computes nutrient recipes for the host, each in a process of its own.

The solver takes 70 MB of memory, which end with the process, and its time is bounded. The process
reads a request on stdin and writes {"plan": {}} or {"error": [field, why]} to stdout.
"""

from __future__ import annotations

import os
import subprocess
import sys
from threading import Lock

import msgspec

from idroserra.core.errors import HostError
from idroserra.simulation.nutrient_recipe import (
    NoSolver,
    RecipeRequest,
    check_request,
    has_solver,
    recipe_json,
)
from idroserra.simulation.stock_calculator import StockProblem

TIMEOUT_S = 120.0  # it runs at low priority, and on a busy small board scipy loads slowly
_COMMAND = (sys.executable, "-m", "idroserra.simulation.nutrient_process")
_NICENESS = 10


class RecipeBusy(HostError):
    """A nutrient recipe was not computed in time, or another is being computed."""


class RecipeSolver:
    """Computes one nutrient recipe at a time."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._lock = Lock()

    def solve(self, request: RecipeRequest) -> dict[str, object]:
        """Return the plan of a request. Raises StockProblem, NoSolver, and RecipeBusy at once if
        another is being computed: a waiting request would hold a thread of the host."""
        check_request(request)
        if not has_solver():
            raise NoSolver
        if not self._lock.acquire(blocking=False):
            raise RecipeBusy("another nutrient recipe is being computed: try again")
        try:
            done = subprocess.run(
                _COMMAND, input=msgspec.json.encode(request), capture_output=True, check=True,
                timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            raise RecipeBusy(f"not computed within {self._timeout_s:g} s") from None
        except subprocess.CalledProcessError as error:
            raise RecipeBusy(f"the solver ended: {error.stderr.decode()[-200:]}") from None
        finally:
            self._lock.release()
        answer = msgspec.json.decode(done.stdout)
        if "error" in answer:
            raise StockProblem(*answer["error"])
        plan: dict[str, object] = answer["plan"]
        return plan


def main() -> None:
    """Read a request, write its answer."""
    os.nice(_NICENESS)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=RecipeRequest)
    answer: dict[str, object]
    try:
        answer = {"plan": recipe_json(request)}
    except StockProblem as error:
        answer = {"error": [error.field, error.why]}
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()

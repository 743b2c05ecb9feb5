"""Maps errors of a command to one line on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from idroserra.core.errors import ConfigError, HostError
from idroserra.core.terminal_text import printable_lines


def run_cli(run: Callable[[], object]) -> None:
    """Run a command; print a HostError and exit: 2 for wrong usage, else the error's code or 1."""
    try:
        run()
    except ConfigError as error:
        print(f"idroserra: {printable_lines(str(error))}", file=sys.stderr)
        sys.exit(2)
    except HostError as error:
        print(f"idroserra: {printable_lines(str(error))}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe is gone; no message about it
        sys.exit(1)

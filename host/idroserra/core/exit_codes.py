"""How every command ends: an error of ours is one line on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from idroserra.core.errors import ConfigError, HostError


def run_cli(run: Callable[[], object]) -> None:
    """Run; where it ends by an error of ours, say it and exit: 2 called wrong, else 1 or 3."""
    try:
        run()
    except ConfigError as error:
        print(f"idroserra: {error}", file=sys.stderr)
        sys.exit(2)
    except HostError as error:
        print(f"idroserra: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone
        sys.exit(1)

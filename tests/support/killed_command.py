"""Runs `idroserra` and ends it with SIGKILL: killed_command.py FOLDER COUNT WORD...

It dies before it opens, renames or deletes below FOLDER for the COUNTth time, if it does.
"""

import os
import signal
import sys

from idroserra.cli.main import main


def kill_at(folder: str, count: int) -> None:
    """Install the hook."""
    left = count

    def on_event(event: str, values: tuple[object, ...]) -> None:
        nonlocal left
        is_step = event in ("open", "sqlite3.connect") or event.startswith(("os.", "shutil."))
        if is_step and any(folder in str(value) for value in values):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)


if __name__ == "__main__":
    kill_at(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:] = sys.argv[3:]
    main()

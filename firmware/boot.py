"""Runs first after any reset: makes outputs safe, then waits 3 s for a break at the console."""

import time

from idro.safety import safe_outputs

safe_outputs.drive_all_safe()
# Once main.py has started the watchdog, a board stopped at its prompt resets.
try:
    time.sleep_ms(3_000)
except KeyboardInterrupt as stop:
    from idro.update import platform  # only then, so that nothing delays a start

    platform.note_console()
    raise stop

"""Runs first after any reset: makes outputs safe, then waits 3 s for a break at the console."""

import time

from idro.safety import safe_outputs

safe_outputs.drive_all_safe()
# Once main.py has started the watchdog, a board stopped at its prompt resets.
try:
    time.sleep_ms(3_000)
except KeyboardInterrupt as stop:
    from idro.update import console  # only then: nothing delays a start

    console.note_stop()
    raise stop

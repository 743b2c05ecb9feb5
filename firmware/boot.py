"""Runs first after any reset: outputs safe, then a moment in which the console can break in."""

import time

from idro.safety import safe_outputs

safe_outputs.drive_all_safe()
# Once main.py has started the watchdog, a board that is held at its prompt resets.
time.sleep_ms(3_000)

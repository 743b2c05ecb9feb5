"""Runs first after any reset: outputs safe, then a moment in which the console can break in."""

import time

from idro.app import outputs_off

outputs_off.drive_all_safe()
# Once main.py has started the watchdog, a board that is held at its prompt resets.
time.sleep_ms(3_000)

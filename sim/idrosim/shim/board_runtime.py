"""Runtime of a simulated board: clock, harness output, resets and saved state.

Lines on stdout that start with "@" are JSON of the harness; the rest is the console of the board.
Their times count from the start of the scenario, not from the last boot. A reset ends the process:
surviving state goes through the state file, and no code on the stack of the firmware can act.
"""

import builtins
import json
import sys

_BUFFERED_LINES = 32
EXIT_RESET = 3
EXIT_DEAD = 4
BOOT_US = 400_000  # ROM, boot loader and start of MicroPython
# machine.reset_cause() after each cause (ports/esp32/modmachine.c): a brown-out looks like a
# power-on, though RTC memory survives it, a panic like machine.reset(). "console" is an opened
# USB-Serial-JTAG port.
CAUSES = {
    "power": 1, "brown_out": 1, "reset": 2, "panic": 2, "wdt": 3, "deepsleep": 4, "soft": 5,
    "console": 0}


class Module:
    """A module made of names."""

    def __init__(self, names):
        for name in names:
            setattr(self, name, names[name])


class BoardRuntime:
    """One simulated board; every process starts it from `job` and the state file."""

    def __init__(self, job, clock, disk, state):
        self.job = job
        self.clock = clock
        self.old_state = state
        self.disk = disk
        self.boot_us = 0
        self.dark_us = state.get("dark_us", 0)
        self.boot_count = state.get("boot_count", 0) + 1
        self.cause = state.get("cause", "power")
        self.nvs = state.get("nvs", {})
        self.rtc_memory = bytes.fromhex(state.get("rtc_memory", ""))
        self.rtc_offset_us = state.get("rtc_offset_us", 0)
        self.is_dead = False
        self.is_hung = False
        self.at_prompt_us = 0  # how long a person who interrupts the firmware stays at the prompt
        self.wall_shift_ms = 0  # of the wall clock of the host
        self.world = None
        self.flash = self.flash_faults = None
        self.sleep_ms = None  # of the real time module
        self.gmtime = None
        self.apply_event = None  # applies an event of a timeline
        self.savers = {}  # name: callable that returns the state to survive a reset
        self.before_exit = []
        self._unprinted = []  # lines
        if self.cause == "power":
            self.lose_rtc(self.dark_us)

    def power_up(self):
        """Advance to the start of boot.py: the rest of a power cut, and the boot loader."""
        wait_us = self.dark_us + BOOT_US
        self.dark_us = 0
        if self.clock.is_live:
            self.sleep_ms(wait_us // 1_000)
        else:
            self.clock.advance_to(self.clock.now_us + wait_us)
        self.boot_us = self.clock.now_us

    def lose_rtc(self, in_us=0):
        """Clear the RTC memory; its clock starts at 2000 in `in_us`."""
        self.rtc_memory = b""
        self.rtc_offset_us = -self.clock.now_us - in_us

    def emit(self, line):
        """Print one line of the harness."""
        self.emit_bytes(json.dumps(line).encode())

    def emit_bytes(self, line):
        """Print one line of the harness, given as UTF-8 JSON.

        In lockstep, lines are printed in groups to wake the reader less often.
        """
        unprinted = self._unprinted
        unprinted.append(line)
        if len(unprinted) >= _BUFFERED_LINES or self.clock.is_live:
            self._print()

    def _print(self):
        if self._unprinted:
            sys.stdout.buffer.write(b"@" + b"\n@".join(self._unprinted) + b"\n")
            self._unprinted.clear()

    def unix_ms(self):
        """Return the simulated wall time, ms since 1970."""
        return self.job["start_unix_ms"] + self.wall_shift_ms + self.clock.now_us // 1_000

    def save(self):
        """Write the state that survives a reset."""
        state = {name: saver() for name, saver in self.savers.items()}
        state["now_us"] = self.clock.now_us
        state["boot_count"] = self.boot_count
        state["cause"] = self.cause
        state["dark_us"] = self.dark_us
        state["nvs"] = self.nvs
        state["rtc_memory"] = "".join(f"{byte:02x}" for byte in self.rtc_memory)
        state["rtc_offset_us"] = self.rtc_offset_us
        path = self.job["state_path"]
        with self.disk.open(path + ".new", "w") as file:
            file.write(json.dumps(state))
        self.disk.rename(path + ".new", path)

    def reset(self, cause, dark_ms=0):
        """End this boot; the runner starts the next `dark_ms` later. Never returns."""
        self.world.power_off()
        self.cause = cause
        self.dark_us = dark_ms * 1_000
        self.emit({"t": "reset", "at_ms": self.clock.now_us // 1_000, "cause": cause})
        self.stop(EXIT_RESET)

    def stop(self, exit_code):
        """Save and end the process, also from any call that the firmware still makes."""
        for hook in self.before_exit:
            hook()
        self._print()
        self.save()

        def end(*args, **kwargs):
            raise SystemExit(exit_code)

        self.is_dead = True
        builtins.open = end
        self.world.set_level = self.world.set_duty = end
        self.clock.spend = self.clock.advance_to = self.clock.run_due = end
        end()

    def misuse(self, error):
        """Report use of a simulated part against its datasheet, and end the process."""
        self.emit({"t": "misuse", "at_ms": self.clock.now_us // 1_000, "error": str(error)})
        self.stop(EXIT_DEAD)


def load_state(disk, path):
    """Return the state of the last boot, {} for the first."""
    try:
        with disk.open(path, "r") as file:
            return json.loads(file.read())
    except OSError:
        return {}

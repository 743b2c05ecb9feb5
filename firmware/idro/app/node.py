"""The composition root: builds the node from its board, starts its tasks, keeps them alive.

Order of a start: outputs safe (boot.py has done it already), watchdog, storage, safety gate, then
sampling and control, and only then the network, which nothing else waits for.
"""

import asyncio
import binascii
import errno
import gc
import os
import sys
import time

from idro.app.clock import Clock
from idro.app.commands import CommandHandler
from idro.app.control_cycle import ControlCycle
from idro.app.correction_task import CorrectionTask
from idro.app.dose_task import DoseTask
from idro.app.network_task import NetworkTask
from idro.app.ota.reasons import PLANNED
from idro.app.ota.service import UpdateService
from idro.app.overrides import Overrides, check_kind
from idro.app.persistent_state import PersistentState, note_error
from idro.app.reserved_space import ReservedSpace
from idro.app.sampling import Sampler
from idro.app.settings import Settings
from idro.app.telemetry import Telemetry
from idro.board import BOARD, VERSION, wiring
from idro.errors import ProtocolError
from idro.net.module_cache import unload
from idro.outbox.outbox import Outbox
from idro.safety import limits, safe_outputs
from idro.safety.authentication import CommandIdLog
from idro.safety.dosing_authority import DosingAuthority
from idro.safety.ledger import CRASHES, Ledger
from idro.safety.outputs import Refused
from idro.safety.supervisor import Supervisor, printable
from idro.update import platform, slots

DATA = "/data"
# How long one cycle may take on top of the wait for the next before the watchdog goes hungry.
_GRACE_MS = 10_000
_HOUSEKEEPING_MS = 60_000
# While a person calibrates, who watches the reading settle.
_CALIBRATING_EVERY_MS = 2_000
# The least that is taken of the heap between two collections: bench/RESULTS.md.
_COLLECT_EVERY_B = 4_096
# Refused memory is told of that often at most; the line may be without for so long.
_TELL_MEMORY_MS = 600_000
_STARVED_MS = 900_000
# Before a reset after a failure: half a minute, all off, so that a crash loop wears no flash out.
_PAUSES = 10
_PAUSE_MS = 3_000


class Node:
    """One node, built and not yet running."""

    def __init__(self, feed, boot_id):
        _collect_often()
        self.clock = Clock()
        self.boot_id = boot_id
        self.store = platform.NvsStore()
        self.failed_task = ""  # the first one that failed in this boot, but for the network's
        self._flash_told = {}  # part: its error when it was looked at last
        self.kept = PersistentState(platform.rtc_memory(), self.store, self.clock)
        self.settings = Settings((DATA + "/settings.a", DATA + "/settings.b"))
        self.outputs, sensors, button = _build_hardware(self.clock, self.settings.values)
        self.sampler = Sampler(sensors, self.clock, self.record)
        self.telemetry = Telemetry(self.sampler, self.outputs, self.clock)
        self.outbox = Outbox(
            DATA + "/outbox", boot_id, self.telemetry.channels, self.clock
        )
        self.ballast = ReservedSpace(DATA + "/ballast")
        self._open_gate()
        self.supervisor = Supervisor(self.clock, feed, self.gate.off_all, self.record)
        self.overrides = Overrides(self.clock)
        self.doses = DoseTask(self.gate, self.sampler.readings, self.supervisor.beat)
        self.correction = CorrectionTask(self, button)
        self.loops = ControlCycle(self)
        self.supervisor.add("control", self._control, is_critical=True)
        self.supervisor.add("dosing", self.doses.run, is_critical=True)
        self.supervisor.add("correction", self.correction.run)
        if self.loops.irrigating is not None:
            self.supervisor.add("irrigation", self.loops.irrigating.run, is_critical=True)
        commands = self._commands()
        self.updates = UpdateService(self, commands)
        self.supervisor.add("update", self.updates.run)
        self.link = NetworkTask(self, commands)
        self._housekeeping_due_ms = 0
        self._heap_free_b = 0
        self._refused_part, self._refused_count = "", 0  # since it was told last
        self._refused_told_ms = -_TELL_MEMORY_MS
        if not self.kept.has_day:
            # A board that never knew the time begins its first day when it is switched on.
            self.clock.start_day_at(self.settings.values["light.on_minute"] * 60)

    def record(self, kind, detail):
        """Put an event into the outbox. A flash that refuses stops nothing."""
        if kind == "restarted" and detail["task"] not in ("wifi", "link"):
            self.failed_task = self.failed_task or detail["task"]
        try:
            self.outbox.append_event(self.clock.now_ms(), kind, detail)
        except (OSError, ProtocolError) as error:
            print("event lost:", kind, error)
        except MemoryError:
            self.no_memory("events")

    def no_memory(self, part):
        """Memory was refused to a part that goes on without what it was for."""
        self._refused_part = part
        self._refused_count += 1

    async def run(self):
        """Run for ever. Ends only by an exception, and then the board is to be reset."""
        await self.supervisor.run()

    def _open_gate(self):
        paths = (DATA + "/ledger.a", DATA + "/ledger.b")
        ledger = Ledger(paths, self.kept.chain_ms, self.store.number("ledger") == 1)
        self.kept.raise_to(ledger.last_chain_ms)
        if not ledger.error:
            self._note_ledger()
        self.authority = DosingAuthority(self.store, self.kept.chain_ms)
        self.granted_pct = self.authority.granted_pct(self.settings.values)
        self.reset = self._reset_cause()
        self.record("boot", {
            "reset": self.reset, "version": slots.running.version or VERSION,
            "last_error": printable(self.kept.last_error),
        })
        gate = _gate_class()
        self.gate = gate(self.outputs, ledger, self._limits(), self.clock, self.record)
        self._flash = {"outbox": self.outbox, "ledger": ledger, "settings": self.settings}
        self._watch_flash()
        if self.kept.count_crash(self._has_crashed()):
            self.gate.lock(CRASHES)

    def _has_crashed(self):
        """True for a reset that nobody wanted. Those of a trial are counted by its tries."""
        is_trial_over = self.store.text("update_told") != ""
        if slots.running.state == "trial" or is_trial_over or self.kept.last_error == PLANNED:
            return False
        return self.reset in ("watchdog", "hard", "brown_out")

    @property
    def ledger_error(self):
        """Why the dose ledger cannot be read or written, or an empty text."""
        return self._flash["ledger"].error

    def restart(self, why):
        """Make everything safe and reset the board, which is no crash. Never returns."""
        self.gate.off_all()
        safe_outputs.drive_all_safe()
        note_error(platform.rtc_memory(), why)
        platform.restart()

    def _note_ledger(self):
        """From here on two missing copies of the ledger are damage, not a new board."""
        try:
            if self.store.number("ledger") != 1:
                self.store.put(ledger=1)
        except OSError as error:
            print("the ledger cannot be noted:", error)

    def _reset_cause(self):
        """Power came on, but RTC memory was kept: the supply sagged."""
        cause = platform.reset_cause()
        return "brown_out" if cause == "power_on" and self.kept.had_rtc else cause

    def _commands(self):
        identity = (self.store.text("node_id"), self.store.blob("key"), self.boot_id)
        actions = {
            "dose": self._dose, "run": self._run, "stop": self._stop, "resume": self._resume,
            "correct": self._correct, "end_correction": self._end_correction,
            "hold": self._hold,
            "offer": lambda args, by, answer: self.updates.offer(args, by, answer),
            "cancel": lambda args, by, answer: self.updates.cancel(args, by, answer),
        }
        seen = CommandIdLog(DATA + "/ids")
        return CommandHandler(identity, self.clock, seen, actions, self.record)

    def _watch_flash(self):
        """Tell once of each part whose flash refuses, and give it the room that is kept for that;
        nothing stops for it but doses."""
        for part, owner in self._flash.items():
            error = owner.error or ""
            if error and error != self._flash_told.get(part):
                self.record("flash_failed", {"part": part, "error": printable(error)[:120]})
            self._flash_told[part] = error
        has_failed = any(self._flash_told.values())
        if self.ballast.watch(self.clock.now_ms(), has_failed):
            self.record("flash_failed", {"part": "space", "error": "flash is full or refuses"})
        self.outbox.hold(not self.ballast.is_laid)

    async def _control(self):
        """Sample, decide, record: once every sample.every_ms, at even steps of uptime."""
        clock = self.clock
        while True:
            every_ms = self.settings.values["sample.every_ms"]
            if self.loops.held_ms:
                every_ms = min(every_ms, _CALIBRATING_EVERY_MS)
            self.supervisor.beat("control", every_ms + _GRACE_MS)
            await self.sampler.cycle(self.loops.moved_by)
            self.gate.observe(self.sampler.readings)
            self.loops.cycle()
            self._keep_record()
            now_ms = clock.now_ms()
            await clock.sleep_ms(every_ms - now_ms % every_ms)

    def _keep_record(self):
        values = self.settings.values
        now_ms = self.clock.now_ms()
        if now_ms >= self._housekeeping_due_ms:
            self._housekeeping_due_ms = now_ms + _HOUSEKEEPING_MS
            self._watch_flash()
            self._watch_authority()
            self._watch_memory()
        try:
            at_ms, numbers, faults = self.telemetry.record(
                values["reservoir.area_cm2"], self._heap_free_b, self.outbox.count,
                self.link.wifi.rssi_dbm(),
            )
            self.outbox.append_telemetry(at_ms, numbers, faults)
            self.kept.save(self.clock.second_of_day(values["clock.utc_offset_min"]))
        except (OSError, ProtocolError) as error:
            print("record lost:", error)
        except MemoryError:
            self.no_memory("records")

    def _watch_memory(self):
        """Tell of memory that was refused; where the line got none for long, begin anew."""
        gc.collect()
        self._heap_free_b = gc.mem_free()
        now_ms = self.clock.now_ms()
        if self._refused_count and now_ms - self._refused_told_ms >= _TELL_MEMORY_MS:
            detail = {"part": self._refused_part, "count": self._refused_count}
            self._refused_count = 0
            self._refused_told_ms = now_ms
            self.record("memory_refused", detail)
        if self.link.out_of_memory_ms > _STARVED_MS and not self.doses.is_busy:
            self.restart("no memory for the line")

    def take_settings(self, by, changed):
        """Put changed settings in force; drivers and loops read the very same dict."""
        self.gate.set_limits(self._limits())
        self._grant("settings")
        self.loops.settings_changed(changed)
        self.record("configured", {"rev": self.settings.rev, "by": by})

    def _watch_authority(self):
        """Look at the latch, once a minute and before a person changes it: none goes unseen."""
        self.authority.watch(self.settings.values, self.gate.latch_code)
        self._grant("three days without a latch" if self.authority.left_ms == 0
                    else "dosing was latched")

    def _limits(self):
        return limits.derive(self.settings.values, BOARD["volume_l"], self.granted_pct)

    def _grant(self, reason):
        """Put the share of the budgets in force that is asked for and earned, where it changes."""
        values = self.settings.values
        granted_pct = self.authority.granted_pct(values)
        if granted_pct == self.granted_pct:
            return
        self.granted_pct = granted_pct
        self.gate.set_limits(self._limits())
        self.record("authority", {
            "granted_pct": granted_pct, "asked_pct": values["dosing.authority_pct"],
            "reason": reason,
        })

    def take_host_time(self, unix_ms):
        """Take the wall time of the host; returns True when that changed the clock."""
        by_ms = self.clock.set_from_host(unix_ms)
        if by_ms is None:
            return False
        self.outbox.set_boot_unix_ms(self.clock.boot_unix_ms)
        detail = {"boot_unix_ms": self.clock.boot_unix_ms, "by_ms": by_ms}
        self.record("clock_set", detail)
        return True

    def _dose(self, args, by, answer):
        def done(actuation, refusal):
            if refusal is not None:
                answer("refused", refusal)
            else:
                self.loops.dosed_by_hand(actuation)
                answer("done", f"{actuation.volume_ul / 1_000:.2f} ml of {actuation.actuator}")

        self.doses.submit(args["actuator"], args["volume_ul"], ("by hand", by), done)

    def _run(self, args, by, answer):
        name, for_ms = args["actuator"], args["for_ms"]
        check_kind(self.outputs, name)
        duty_pct = args.get("duty_pct", 100)
        self.overrides.set(name, for_ms, duty_pct, by)
        refusal = self.loops.apply_override(name)
        if refusal is None:
            answer("done", f"{name} at {duty_pct} % for {for_ms // 1_000} s")
        else:
            self.overrides.clear(name)
            answer("refused", refusal)

    def _hold(self, args, by, answer):
        for_ms = args["for_ms"]
        if for_ms and self.correction.is_open:
            raise Refused("busy", "a correction is open: end it first")
        self.loops.pause_automation(for_ms)
        left = f"held for {-(-for_ms // 60_000)} min" if for_ms else "released"
        answer("done", f"automatic dosing and filling are {left}")

    def _correct(self, args, by, answer):
        if self.loops.held_ms:
            raise Refused("busy", "probes are being calibrated")
        self.correction.begin(
            args["actuator"], args["target_milli_ph"], args["volume_ul"], by
        )
        answer("done", "the correction is open: each step waits for the button on the board")

    def _end_correction(self, args, by, answer):
        was_open = self.correction.is_open
        self.correction.end(f"ended by {by}")
        answer("done", "the correction is over" if was_open else "no correction was open")

    def _stop(self, args, by, answer):
        self._watch_authority()
        self.gate.stop(by)
        answer("done", "all dosing is stopped until it is resumed")

    def _resume(self, args, by, answer):
        self._watch_authority()
        self.gate.resume(by)
        self.kept.forget_crashes()
        answer("done", "dosing is released")


def main(feed):
    """Run the node until it cannot go on, then make it safe and reset the board.

    `feed()` feeds the watchdog, which runs already.
    """
    error = "the node ended"
    try:
        make_data_folder()
        boot_id = str(binascii.hexlify(os.urandom(4)), "ascii")
        asyncio.run(Node(feed, boot_id).run())
    except KeyboardInterrupt:
        error = None  # somebody is at the console: outputs off, and the prompt is theirs
    except Exception as failure:
        sys.print_exception(failure)
        error = f"{type(failure).__name__}: {failure}"
        raise
    finally:
        safe_outputs.drive_all_safe()
        if error is not None:
            note_error(platform.rtc_memory(), printable(error))
            for _ in range(_PAUSES):
                feed()
                time.sleep_ms(_PAUSE_MS)
            platform.restart()


def _collect_often():
    """Have garbage collected before the heap is full: what stays then lies together."""
    gc.collect()
    gc.threshold(max(_COLLECT_EVERY_B, gc.mem_free() // 16))


def _build_hardware(clock, values):
    """Return (outputs, sensors, button) of this board. What only building needs is let go."""
    from idro.app import hardware

    board = dict(BOARD)
    board.update(wiring())
    built = hardware.build(board, clock, values)
    unload("idro.app.hardware")
    return built


def _gate_class():
    """Return the safety gate, or the one that gives no dose while an update is on trial."""
    if slots.running.state == "trial":
        from idro.update.trial_gate import TrialGate

        return TrialGate
    from idro.safety.gate import Gate

    return Gate


def make_data_folder():
    """Create the data folder where it is missing. Each part that needs it tells what failed."""
    try:
        os.mkdir(DATA)
    except OSError as error:
        if error.errno != errno.EEXIST:
            print("no data folder:", error)

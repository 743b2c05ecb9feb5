"""The composition root: builds the application of the board and runs its tasks.

Start-up order: outputs safe (already done by boot.py), watchdog, storage, safety gate, sampling
and control, and last the network, on which nothing else waits.
"""

import asyncio
import binascii
import errno
import gc
import os
import sys
import time

from idro.app.actions import CommandActions
from idro.app.clock import Clock
from idro.app.commands import CommandHandler
from idro.app.control_cycle import ControlContext, ControlCycle
from idro.app.correction_task import CorrectionTask
from idro.app.dose_task import DoseTask
from idro.app.dosing_cycle import DosingCycle
from idro.app.event_log import EventLog
from idro.app.network_task import NetworkTask
from idro.app.ota.service import UpdateService
from idro.app.overrides import Overrides
from idro.app.persistent_state import PLANNED, PersistentState, save_error
from idro.app.reserved_space import ReservedSpace
from idro.app.sampling import Sampler
from idro.app.settings import Settings
from idro.app.telemetry import Telemetry
from idro.board import BOARD, VERSION, wiring
from idro.errors import ProtocolError
from idro.net.module_cache import unload
from idro.net.publisher import Handlers
from idro.outbox.outbox import Outbox
from idro.protocol.messages import ConfigReport, Info
from idro.protocol.reason import Reason
from idro.safety import limits, safe_outputs
from idro.safety.authentication import CommandIdLog
from idro.safety.dosing_authority import DosingAuthority
from idro.safety.ledger import CRASHES, Ledger
from idro.safety.supervisor import Supervisor, printable
from idro.update import platform, slots

DATA = "/data"
# How long one cycle may take beyond the wait for the next before the watchdog is not fed.
_GRACE_MS = 10_000
_HOUSEKEEPING_MS = 60_000
# While a person calibrates and watches the reading settle.
_CALIBRATING_EVERY_MS = 2_000
# The minimum allocated between two collections of the heap: docs/memory.md.
_COLLECT_EVERY_B = 4_096
_MAX_OUT_OF_MEMORY_MS = 900_000
# The pause before a reset after a failure, 30 s with all off: a crash loop must spare the flash.
_PAUSES = 10
_PAUSE_MS = 3_000


class Node:
    """The application, built and not yet running."""

    def __init__(self, feed, boot_id):
        feed()  # here and below: the supervisor feeds the watchdog only once tasks run
        _collect_often()
        self.clock = clock = Clock()
        self._boot_id = boot_id
        self._store = store = platform.NvsStore()
        self._flash_errors = {}  # part: its error when last checked
        self._persistent = PersistentState(platform.rtc_memory(), store, clock)
        self._settings = Settings((DATA + "/settings.a", DATA + "/settings.b"))
        values = self._settings.values
        self._config_error = self._settings.error
        self._unapplied = []  # changed settings that gate and control do not know yet
        self.events = EventLog(clock)
        timer, self._outputs, new_sampler, button = _build_hardware(clock, values)
        feed()
        self.sampler = new_sampler(Sampler, self.events.record)
        self._telemetry = Telemetry(self.sampler, self._outputs, clock)
        channels = self._telemetry.channels
        self._outbox = Outbox(DATA + "/outbox", boot_id, channels, clock, feed=feed)
        self.events.open(self._outbox)
        self._space = ReservedSpace(DATA + "/ballast")
        feed()
        granted_pct = self._open_gate()
        feed()
        context = ControlContext(
            clock, values, self.sampler, self.gate, self._outputs, self.events)
        self._supervisor = Supervisor(
            clock, lambda: timer.is_silent or feed(), self.gate.off_all, self.events.record)
        beat, readings = self._supervisor.beat, self.sampler.readings
        overrides = Overrides(clock, self.gate, readings)
        self._doses = DoseTask(self.gate, readings, beat)
        self._dosing = DosingCycle(
            context, doses=self._doses, persistent=self._persistent, granted_pct=granted_pct)
        correction = CorrectionTask(
            context, button=button, doses=self._doses, beat=beat,
            dosing_cycle=self._dosing)
        self.control = ControlCycle(
            context, overrides=overrides, dosing_cycle=self._dosing, correction=correction,
            beat=beat)
        actions = CommandActions(
            context, doses=self._doses, dosing_cycle=self._dosing, control=self.control,
            correction=correction, overrides=overrides).by_verb()
        self._connect(context, actions)
        self._add_tasks(correction)
        self._housekeeping_due_ms = self._heap_free_b = 0
        if not self._persistent.has_day:
            # A board that has never known the time starts its first day when it is switched on.
            clock.start_day_at(values["light.on_minute"] * 60)

    def _connect(self, context, actions):
        """Build what communicates with the host: commands, updates and the network."""
        store = self._store
        actions["resume"] = self._resume
        handlers = Handlers(
            self._info, self._config_report, lambda payload: self._commands.receive(payload),
            self._on_config, self._on_stored,
            lambda leaf, payload: self._updates.receive(leaf, payload))
        self._network = NetworkTask(
            store=store, clock=self.clock, outbox=self._outbox, handlers=handlers,
            events=self.events, beat=self._supervisor.beat,
            dose_or_handshake=self._doses.dose_or_handshake)
        actions["certificate"] = self._network.take_certificate
        identity = (store.text("node_id"), store.blob("key"), self._boot_id)
        self._commands = CommandHandler(
            identity, clock=self.clock, command_ids=CommandIdLog(DATA + "/ids"), actions=actions,
            stop=self.gate.stop, stop_outcome=self._stop_outcome, record_event=self.events.record,
            send_ack=self._network.publisher.send_ack)
        self._updates = UpdateService(
            context, commands=self._commands, network=self._network, space=self._space,
            ledger=self._ledger, restart_obstacle=self.control.restart_obstacle,
            restart=lambda: self._restart(PLANNED))
        actions["offer"], actions["cancel"] = self._updates.offer, self._updates.cancel

    def _add_tasks(self, correction):
        add = self._supervisor.add
        add("control", self._control, is_critical=True)
        add("dosing", self._doses.run, is_critical=True)
        add("correction", correction.run)
        if self.control.irrigation is not None:
            add("irrigation", self.control.irrigation.run, is_critical=True)
        add("update", self._updates.run)
        self._network.add_tasks(add)

    async def run(self):
        """Run for ever. Ends only by an exception; then the board must be reset."""
        await self._supervisor.run()

    def _open_gate(self):
        """Open ledger, dosing authority and safety gate. Returns the granted share, %."""
        record, persistent = self.events.record, self._persistent
        paths = (DATA + "/ledger.a", DATA + "/ledger.b")
        ledger = Ledger(paths, persistent.chain_ms, self._store.number("ledger") == 1)
        persistent.raise_to(ledger.last_chain_ms)
        if not ledger.error:
            self._mark_ledger()
        self._ledger = ledger
        self._authority = DosingAuthority(self._store, persistent.chain_ms)
        granted_pct = self._authority.granted_pct(self._settings.values)
        self._reset_cause = platform.reset_cause()
        if self._reset_cause == "power_on" and persistent.had_rtc:
            self._reset_cause = "brown_out"  # RTC memory has survived: the supply only dipped
        record("boot", {
            "reset": self._reset_cause, "version": slots.running.version or VERSION,
            "last_error": printable(persistent.last_error)})
        gate = _gate_class()
        self.gate = gate(self._outputs, ledger, self._limits(granted_pct), self.clock, record)
        self._watch_flash()
        is_crash = persistent.judge_reset(self._reset_cause, BOARD["chip"])
        if slots.running.state == "trial" or self._store.text("update_told"):
            is_crash = False  # a trial counts its tries
        if persistent.count_crash(is_crash):
            self.gate.latch(CRASHES)
        return granted_pct

    def _restart(self, why):
        """Make everything safe and reset the board. Never returns."""
        self.gate.off_all()
        safe_outputs.drive_all_safe()
        save_error(platform.rtc_memory(), why)
        platform.restart()

    def _mark_ledger(self):
        """Note in NVS that a ledger exists: from now on, two missing copies are damage."""
        try:
            if self._store.number("ledger") != 1:
                self._store.put(ledger=1)
        except OSError as error:
            print("ledger mark not saved:", error)

    def _watch_flash(self):
        """Record new flash failures and release the reserved space. They stop only doses."""
        record, errors = self.events.record, self._flash_errors
        for part, owner in (("outbox", self._outbox), ("ledger", self._ledger),
                            ("settings", self._settings)):
            error = owner.error or ""
            if error and error != errors.get(part):
                if isinstance(error, str):
                    record("flash_failed", {"part": part, "error": printable(error)[:120]})
                else:
                    record("flash_failed", {"part": part, "reason": error})
            errors[part] = error
        if self._space.update(self.clock.now_ms(), any(errors.values())):
            record("flash_failed", {"part": "space", "reason": Reason("flash_refuses")})
        self._outbox.limit_growth(not self._space.is_reserved)

    async def _control(self):
        """Sample, decide and record every sample.every_ms, at multiples of it in uptime."""
        clock, values = self.clock, self._settings.values
        while True:
            every_ms = values["sample.every_ms"]
            if self.control.pause_left_ms:
                every_ms = min(every_ms, _CALIBRATING_EVERY_MS)
            await self.sampler.cycle(
                self.control.moved_by, self._supervisor.beat, every_ms + _GRACE_MS)
            self.gate.observe(self.sampler.readings)
            self.control.cycle()
            self._append_record()
            await clock.sleep_ms(every_ms - clock.now_ms() % every_ms)

    def _append_record(self):
        """Append a telemetry record to the outbox and save the clocks."""
        values = self._settings.values
        now_ms = self.clock.now_ms()
        if now_ms >= self._housekeeping_due_ms:
            self._housekeeping_due_ms = now_ms + _HOUSEKEEPING_MS
            self._watch_flash()
            self._watch_authority()
            self._watch_memory()
        try:
            self._apply_settings()  # which may have been refused memory
            at_ms, numbers, faults = self._telemetry.record(
                values["reservoir.area_cm2"], self._heap_free_b, self._outbox.count,
                self._network.wifi.rssi_dbm())
            self._outbox.append_telemetry(at_ms, numbers, faults)
            self._persistent.save(self.clock.second_of_day(values["clock.utc_offset_min"]))
        except (OSError, ProtocolError) as error:
            print("record lost:", error)
        except MemoryError:
            self.events.memory_refused("records")

    def _watch_memory(self):
        """Collect garbage, record refused memory; restart if the publisher got none for long."""
        gc.collect()
        self._heap_free_b = gc.mem_free()
        self.events.record_refused_memory()
        out_of_memory_ms = self._network.publisher.out_of_memory_ms
        if out_of_memory_ms > _MAX_OUT_OF_MEMORY_MS and not self._doses.is_busy:
            self._restart("out_of_memory")

    def _watch_authority(self):
        """Pass the latch to the authority: once a minute, and before a person releases it."""
        is_proven = self.gate.is_armed and self._dosing.has_worked
        self._authority.update(self._settings.values, self.gate.latch_code, is_proven)
        self._grant(self.sampler.doubt or Reason(
            "authority_earned" if self._authority.left_ms == 0 else "authority_latched"))

    def _limits(self, granted_pct):
        return limits.derive(self._settings.values, BOARD["volume_l"], granted_pct)

    def _grant(self, reason):
        """Apply the share of the dosing budgets that is requested and earned, if it changed."""
        values = self._settings.values
        granted_pct = min(self._authority.granted_pct(values), self.sampler.authority_pct)
        if granted_pct == self._dosing.granted_pct:
            return
        self.gate.set_limits(self._limits(granted_pct))  # first: what is refused memory is retried
        self._dosing.granted_pct = granted_pct
        self.events.record("authority", {
            "granted_pct": granted_pct, "asked_pct": values["dosing.authority_pct"],
            "reason": reason})

    def _info(self):
        outputs = {name: output.kind for name, output in self._outputs.items()}
        return Info(
            slots.running.version or VERSION, BOARD["name"], BOARD["chip"], self._boot_id,
            self.clock.now_ms(), self.clock.boot_unix_ms, self.clock.quality, self._reset_cause,
            platform.image_sha256(), self._telemetry.channels, outputs, self._outbox.boots(),
            BOARD["button"] is not None, self._dosing.granted_pct, self._authority.left_ms,
            self._updates.running, platform.system())

    def _config_report(self):
        return ConfigReport(self._settings.rev, self._config_error, self._settings.values)

    def _on_config(self, pieces):
        changed, error = self._commands.receive_config(pieces, self._settings)
        if changed is None and error is None:
            return
        self._config_error = error
        if changed is not None:
            self._unapplied.append(changed)
            self._apply_settings()
        else:
            self._network.publisher.publish_config()

    def _apply_settings(self):
        """Pass changed settings on and report them. Without memory, a later cycle does it."""
        if not self._unapplied:
            return
        # Drivers and control read the same dict of values, which has changed in place.
        self.gate.set_limits(self._limits(self._dosing.granted_pct))
        self._grant(Reason("authority_set"))
        while self._unapplied:
            self.control.settings_changed(self._unapplied[0])
            self._unapplied.pop(0)
        self.events.record("configured", {"rev": self._settings.rev, "by": self._settings.by})
        self._network.publisher.publish_config()

    def _on_stored(self, payload):
        """Take the wall time of the host from down/stored, and return its Stored or None."""
        stored = self._commands.receive_stored(payload)
        if stored is None or stored.sent_at_ms is None:
            return stored
        by_ms = self.clock.set_from_host(stored.unix_ms)
        if by_ms is None:
            return stored
        boot_unix_ms = self.clock.boot_unix_ms
        self._outbox.set_boot_unix_ms(boot_unix_ms)
        self.events.record("clock_set", {"boot_unix_ms": boot_unix_ms, "by_ms": by_ms})
        self._network.publisher.publish_info()
        return stored

    def _stop_outcome(self):
        """Return (outcome, Reason) of a stop: not done before a reset would keep it."""
        if self._ledger.error:
            return "failed", self._ledger.failure()
        return "done", Reason("all_stopped")

    def _resume(self, args, by, answer):
        self._watch_authority()
        self.gate.resume(by)
        self._persistent.clear_crashes()
        answer("done", Reason("dosing_resumed"))


def main(feed):
    """Run the node until it fails, then reset the board. `feed()` feeds the running watchdog."""
    error, node = "ended", None
    try:
        make_data_folder()
        node = Node(feed, str(binascii.hexlify(os.urandom(4)), "ascii"))
        asyncio.run(node.run())
    except KeyboardInterrupt:
        error = None  # a person is at the console: outputs off, and no reset
        raise
    except Exception as failure:
        sys.print_exception(failure)
        error = f"{type(failure).__name__}: {failure}"
        raise
    finally:
        platform.allow_break(False)  # another Ctrl-C must not keep an output on
        try:
            if node is not None:
                node.gate.off_all()  # a cut-off would let go of the line of an expander
        finally:
            safe_outputs.drive_all_safe()
        if error is not None:
            save_error(platform.rtc_memory(), printable(error))
            for _ in range(_PAUSES):
                feed()
                time.sleep_ms(_PAUSE_MS)
            platform.restart()
        platform.allow_break(True)


def _collect_often():
    """Collect garbage before the heap is full, so that lasting objects lie close together."""
    gc.collect()
    gc.threshold(max(_COLLECT_EVERY_B, gc.mem_free() // 16))


def _build_hardware(clock, values):
    """Return (timer, outputs, new_sampler, button) of this board, and unload the builder."""
    from idro.app import hardware

    board = dict(BOARD)
    board.update(wiring())
    built = hardware.build(board, clock, values)
    unload("idro.app.hardware")
    return built


def _gate_class():
    """Return the class of the safety gate; during the trial of an update one without doses."""
    if slots.running.state == "trial":
        from idro.update.trial_gate import TrialGate

        return TrialGate
    from idro.safety.gate import Gate

    return Gate


def make_data_folder():
    """Create the data folder if it is missing. The parts that need it record a failure."""
    try:
        os.mkdir(DATA)
    except OSError as error:
        if error.errno != errno.EEXIST:
            print("no data folder:", error)

"""The safety gate with real drivers, a virtual clock and a ledger in a folder.

`Rig` measures on-times from the edges of the pins and shares no code with the gate.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from idro.drivers import dimmer, doser, switch
from idro.drivers.shared.cutoff_timer import CutoffTimer
from idro.protocol import settings
from idro.protocol.reason import Reason
from idro.protocol.types import Sample
from idro.safety import limits
from idro.safety.gate import Gate
from idro.safety.ledger import Ledger
from idro.safety.outputs import Output
from support.event_detail import as_sent

DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
SWITCHES = (("circulation", 900_000), ("top_off", 600_000), ("irrigation", 900_000))
GOOD = {"reservoir.ph": 6.4, "reservoir.ec_us_cm": 1_500, "reservoir.level_mm": 200}
HOUR_MS = 3_600_000
BY_HAND = Reason("by_hand")


class Clock:
    """Virtual time; advance() fires the timers that are due.

    A periodic call returns the ms for which it would do nothing: its calls are skipped until then,
    or until something else runs."""

    def __init__(self, at_ms: int = 0):
        self.at_ms = at_ms  # since the start of the test, over all boots
        self.boot_ms = at_ms
        self.late_ms = 0  # of every sleep
        self._due: list[list] = []
        self._tickers: list[list] = []  # [next ms, period ms, call]

    def now_ms(self) -> int:
        return self.at_ms - self.boot_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        self.advance(duration_ms + self.late_ms)

    def call_in(self, delay_ms: int, call) -> list:
        entry = [self.at_ms + delay_ms, call]
        self._due.append(entry)
        return entry

    def every(self, period_ms: int, call) -> None:
        self._tickers.append([self.at_ms + period_ms, period_ms, call])

    def advance(self, duration_ms: int) -> None:
        end_ms = self.at_ms + duration_ms
        while True:
            entry = min(self._due, key=lambda item: item[0], default=[end_ms + 1])
            self._tick(min(end_ms, entry[0]))
            if entry[0] > end_ms:
                break
            self._due.remove(entry)
            self.at_ms = max(self.at_ms, entry[0])
            entry[1]()
        self.at_ms = end_ms

    def _tick(self, end_ms: int) -> None:
        """Make the periodic calls up to `end_ms`."""
        for ticker in self._tickers:
            at_ms, period_ms, call = ticker
            while at_ms <= end_ms:
                self.at_ms = max(self.at_ms, at_ms)
                at_ms += max(1, call() // period_ms) * period_ms
            ticker[0] = at_ms - max(0, at_ms - end_ms - 1) // period_ms * period_ms


class Timer:
    """machine.Timer, periodic."""

    def __init__(self, clock: Clock):
        self._clock = clock

    def init(self, mode, period, callback):
        assert mode == 1, f"timer mode {mode}"
        self._clock.every(period, lambda: callback(self))


class Pin:
    """machine.Pin and machine.PWM as outputs, which report their edges. `failure` is raised."""

    def __init__(self, name: str, report_edge):
        self._name = name
        self._report_edge = report_edge
        self._level = 0
        self.failure: Exception | None = None

    def value(self, level: int) -> None:
        if self.failure is not None:
            raise self.failure
        if level != self._level:
            self._level = level
            self._report_edge(self._name, level)

    def duty_u16(self, duty: int) -> None:
        self.value(1 if duty else 0)


class Rtc:
    """machine.RTC: memory that survives a reset."""

    def __init__(self):
        self._data = b""

    def memory(self, data=None):
        if data is None:
            return self._data
        self._data = bytes(data)
        return None


class Nvs:
    """Memory that also survives a power cut."""

    def __init__(self):
        self.values = {}

    def blob(self, key):
        return self.values.get(key)

    number = blob

    def put(self, **values):
        self.values.update(values)


class Snapshot(NamedTuple):
    """A moment: time, number of edges, contents of the flash."""

    at_ms: int
    edge_count: int
    flash: dict[str, bytes]


class Rig:
    """The gate of a node. `reboot()` acts as a power cut: files stay, memory is lost."""

    def __init__(self, folder: Path, clock_class: "type[Clock] | None" = None,
                 authority_pct: int = 100, **values):
        self.folder = folder
        self.values = settings.check(values)
        self.authority_pct = authority_pct
        self.clock_class = clock_class or Clock
        self.clock = self.clock_class()
        self.edges: list[tuple[int, str, int]] = []  # (world ms, output, level)
        self.events: list[tuple[str, dict]] = []
        self.readings: dict[str, Sample] = {}
        self.chain_base_ms = 0
        self.has_booted = False
        self.boot()

    def boot(self) -> None:
        clock = self.clock_class(self.clock.at_ms)
        self.clock = clock
        self.timer = CutoffTimer(Timer(clock), clock)
        outputs = {}
        names = (*DOSERS, *(name for name, _ in SWITCHES), "light")
        self.pins = {name: Pin(name, self.edge) for name in names}
        for name in DOSERS:
            spec = {"name": name, "max_on_ms": 10_000, "safe_level": 0}
            driver = doser.build(spec, self.pins[name], self.timer, clock)
            outputs[name] = Output(name, "doser", driver, 10_000)
        for name, max_on_ms in SWITCHES:
            spec = {"name": name, "max_on_ms": max_on_ms, "safe_level": 0}
            driver = switch.build(spec, self.pins[name], self.timer, clock)
            outputs[name] = Output(name, "switch", driver, max_on_ms)
        spec = {"name": "light", "max_on_ms": 900_000, "safe_level": 0}
        driver = dimmer.build(spec, self.pins["light"], self.timer, clock)
        outputs["light"] = Output("light", "dimmer", driver, 900_000)
        self.outputs = outputs
        paths = (str(self.folder / "ledger.a"), str(self.folder / "ledger.b"))
        self.ledger = Ledger(paths, lambda: self.chain_base_ms + clock.now_ms(), self.has_booted)
        self.chain_base_ms = max(self.chain_base_ms, self.ledger.last_chain_ms)
        self.has_booted = True
        derived = limits.derive(self.values, authority_pct=self.authority_pct)
        self.gate = Gate(outputs, self.ledger, derived, clock, self._event)

    def reboot(self) -> None:
        """Cut the power now: pins go low, chained uptime continues from the ledger."""
        self.power_cut_at(self.snapshot())

    def snapshot(self) -> "Snapshot":
        """Return the state that a power cut at this moment would leave."""
        return Snapshot(self.clock.at_ms, len(self.edges), self.flash())

    def power_cut_at(self, snapshot: "Snapshot") -> None:
        """Return to the time of `snapshot` and boot from its flash."""
        del self.edges[snapshot.edge_count :]
        for name, data in snapshot.flash.items():
            (self.folder / name).write_bytes(data)
        self.clock = self.clock_class(snapshot.at_ms)
        for name in self.outputs:
            if self.level(name):
                self.edge(name, 0)
        self.boot()

    def flash(self) -> dict[str, bytes]:
        """Return the contents of both copies of the ledger."""
        names = ("ledger.a", "ledger.b")
        return {name: (self.folder / name).read_bytes() for name in names}

    def sense(self, **changed) -> None:
        """Run a sampling cycle; `changed` values are by quantity, a string is a fault."""
        now_ms = self.clock.now_ms()
        for channel, good in GOOD.items():
            value = changed.get(channel.split(".")[1], good)
            is_fault = isinstance(value, str)
            self.readings[channel] = Sample(
                channel, None if is_fault else value, value if is_fault else None, now_ms
            )
        self.gate.observe(self.readings)

    def arm(self) -> None:
        """Provide plausible readings and circulation for long enough to arm the dosers."""
        for _ in range(13):
            self.sense()
            self.circulate()
            self.clock.advance(10_000)
        self.sense()

    def circulate(self) -> None:
        self.gate.run("circulation", 60_000, BY_HAND, "control", self.readings)

    def wait(self, duration_ms: int) -> None:
        """Advance the time with fresh readings and circulation."""
        end_ms = self.clock.now_ms() + duration_ms
        while self.clock.now_ms() < end_ms:
            self.clock.advance(min(30_000, end_ms - self.clock.now_ms()))
            self.sense()
            self.circulate()

    async def dose(self, actuator: str, volume_ul: int, by: str = "ann"):
        return await self.gate.dose(actuator, volume_ul, BY_HAND, by, self.readings)

    def edge(self, name: str, level: int) -> None:
        self.edges.append((self.clock.at_ms, name, level))

    def level(self, name: str) -> int:
        levels = [level for _, output, level in self.edges if output == name]
        return levels[-1] if levels else 0

    def runs(self, name: str) -> list[tuple[int, int]]:
        """Return [(on_ms, off_ms)] of one output; a current run ends now."""
        found = []
        on_ms = None
        for at_ms, output, level in self.edges:
            if output != name:
                continue
            if level and on_ms is None:
                on_ms = at_ms
            elif not level and on_ms is not None:
                found.append((on_ms, at_ms))
                on_ms = None
        if on_ms is not None:
            found.append((on_ms, self.clock.at_ms))
        return found

    def worst_on_ms(self, name: str, window_ms: int) -> int:
        """Return the maximum on-time of `name` in any window, checked at the end of each run."""
        runs = self.runs(name)
        worst_ms = 0
        for _, end_ms in runs:
            start_ms = end_ms - window_ms
            worst_ms = max(worst_ms, sum(
                min(off_ms, end_ms) - max(on_ms, start_ms)
                for on_ms, off_ms in runs if off_ms > start_ms and on_ms < end_ms
            ))
        return worst_ms

    def _event(self, kind: str, detail: dict) -> None:
        self.events.append((kind, as_sent(detail)))

    def break_flash(self) -> Callable[[], None]:
        """Make every flash write fail; return a function that repairs it."""
        kept = self.flash()
        for name in kept:
            (self.folder / name).unlink()
            (self.folder / name).mkdir()

        def mend() -> None:
            for name, data in kept.items():
                (self.folder / name).rmdir()
                (self.folder / name).write_bytes(data)

        return mend

    def events_of(self, kind: str) -> list[dict]:
        return [detail for name, detail in self.events if name == kind]

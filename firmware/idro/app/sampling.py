"""Reads all sensors once a cycle, in the board's order, and checks the plausibility of readings.

Each Sample has a value or a fault; only here a SensorError becomes a fault. A fault is recorded
when it begins and when it has been over for three cycles.
"""

from idro.control.filters import Reading, Window
from idro.control.plausibility import CALIBRATING, UNDISTURBED, ChannelPlausibility
from idro.errors import SensorError
from idro.protocol.types import Sample

_RECORDED_JUMPS = 3  # in a row before a jump is recorded as a fault
_GOOD_TO_END = 3  # readings in a row that end a fault


class Sampler:
    """Reads `sensors` ([(spec, sensor)]). `readings` is {channel: latest Sample}.

    `authority_pct` limits the dosing authority, for the Reason `doubt`: see probe_pairs.
    """

    authority_pct, doubt = 100, None

    def __init__(self, sensors, clock, record_event):
        self._sensors = [sensor for _, sensor in sensors]
        self._clock = clock
        self._record_event = record_event
        self._tracks = {}
        self._windows = {}
        self._moved_by = UNDISTURBED  # in the last cycle
        self._is_recalibrated = False  # since the last cycle
        self._outages = {}  # channel: its _Outage, until it has ended
        self.readings = {}
        self.channels = []
        self.need_calibration = []  # channels that mean nothing before their first one
        self._measures = []  # of each sensor: [(quantity key, channel)]
        for spec, sensor in sensors:
            measures = [(key, f"{spec['source']}.{key}") for key in spec["measures"]]
            self._measures.append(measures)
            for key, channel in measures:
                self.channels.append(channel)
                self._tracks[channel] = ChannelPlausibility(key)
                self._windows[channel] = Window()
                if getattr(sensor, "needs_calibration", False):
                    self.need_calibration.append(channel)

    async def cycle(self, moved_by, beat=None, within_ms=0):
        """Read all sensors once. `moved_by`: what may move the water, see plausibility.

        `beat` is that of the supervisor: each sensor may take `within_ms`, not all together."""
        is_back = self._moved_by == CALIBRATING and moved_by != CALIBRATING
        if is_back or self._is_recalibrated:
            self._is_recalibrated = False
            for window in self._windows.values():  # the probe was in a buffer, or reads otherwise
                window.clear()
        self._moved_by = moved_by
        context: dict = {}
        for index, sensor in enumerate(self._sensors):
            if beat is not None:
                beat("control", within_ms)
            measures = self._measures[index]
            fault, numbers = None, {}
            try:
                numbers = await sensor.read(context)
            except SensorError as error:
                fault = error.fault
            signal = sensor.spread_uv, getattr(sensor, "signal_uv", None)
            for key, channel in measures:
                if fault:
                    self._failed(channel, fault, signal)
                else:
                    self._measured(channel, numbers[key], signal, moved_by, context)

    def recalibrated(self):
        """Take in that the same signals now give other values."""
        self._is_recalibrated = True

    def reading(self, channel, stale_ms):
        """Return the filtered Reading for control."""
        window = self._windows.get(channel)
        if window is None:
            return Reading(None, "stale")
        sample = self.readings.get(channel)
        fault = sample.fault if sample else None
        return window.reading(fault, self._clock.now_ms(), stale_ms)

    def _measured(self, channel, value, signal, moved_by, context):
        now_ms = self._clock.now_ms()
        spread_uv, signal_uv = signal
        fault = self._tracks[channel].check(value, spread_uv, now_ms, moved_by, signal_uv)
        if fault is None or fault == "jump":
            context[channel] = value
        if fault is None:
            self._windows[channel].add(value, now_ms)
            self.readings[channel] = Sample(channel, value, None, now_ms)
            if channel in self._outages:
                self._good(channel, now_ms)
            return
        self.readings[channel] = Sample(channel, None, fault, now_ms)
        if fault != "jump":
            self._windows[channel].clear()
        self._bad(channel, fault, now_ms)

    def _failed(self, channel, fault, signal):
        now_ms = self._clock.now_ms()
        self._tracks[channel].failed(*signal, now_ms)
        self._windows[channel].clear()
        self.readings[channel] = Sample(channel, None, fault, now_ms)
        self._bad(channel, fault, now_ms)

    def _bad(self, channel, fault, now_ms):
        outage = self._outages.get(channel)
        if outage is None:
            outage = self._outages[channel] = _Outage()
        outage.good_count = 0
        outage.bad_count += 1
        if outage.since_ms is not None or (fault == "jump" and outage.bad_count < _RECORDED_JUMPS):
            return
        outage.since_ms = now_ms
        outage.fault = fault
        self._record_event("fault_began", {"channel": channel, "fault": fault})

    def _good(self, channel, now_ms):
        outage = self._outages[channel]
        outage.bad_count = 0
        if outage.since_ms is None:
            del self._outages[channel]
            return
        if outage.good_count == 0:
            outage.ended_ms = now_ms
        outage.good_count += 1
        if outage.good_count < _GOOD_TO_END:
            return
        lasted_ms = outage.ended_ms - outage.since_ms
        detail = {"channel": channel, "fault": outage.fault, "lasted_ms": lasted_ms}
        del self._outages[channel]
        self._record_event("fault_ended", detail)


class _Outage:
    """The state of a channel with a fault."""

    def __init__(self):
        self.since_ms = None  # when it was recorded, None if it was not
        self.ended_ms = None
        self.fault: str | None = None
        self.bad_count = 0
        self.good_count = 0

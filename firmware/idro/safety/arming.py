"""Arms a channel for dosing after at least 12 consecutive valid samples over at least 120 s.

A node in a reset loop therefore never doses. A single jump fault is ignored; two in a row restart
the count. An EC probe in air blocks pH dosing too, because both probes hang in the same tank.
"""

from idro.safety.limits import ARM_MS, ARM_SAMPLES, IN_AIR_HOLD_MS


class Arming:
    """Counts valid samples by channel. Call observe() once in every sampling cycle."""

    def __init__(self):
        self._tracks = {}  # channel: [count, since_ms, consecutive faults]
        self._in_air_ms = None  # uptime of the last in_air fault

    def observe(self, readings):
        """Count one cycle; `readings` maps channels to their latest Sample."""
        for channel, sample in readings.items():
            track = self._tracks.get(channel)
            if track is None:
                track = self._tracks[channel] = [0, 0, 0]
            if sample.fault is None:
                if track[0] == 0:
                    track[1] = sample.at_ms
                track[0] += 1
                track[2] = 0
            else:
                track[2] += 1
                if sample.fault == "in_air":
                    self._in_air_ms = sample.at_ms
                if sample.fault != "jump" or track[2] > 1:
                    track[0] = 0

    def forget(self, channels):
        """Count the samples of these channels from the next one on."""
        for channel in channels:
            self._tracks.pop(channel, None)

    def is_armed(self, channel, now_ms):
        """True if `channel` has enough consecutive valid samples."""
        track = self._tracks.get(channel)
        return track is not None and track[0] >= ARM_SAMPLES and now_ms - track[1] >= ARM_MS

    def is_in_air(self, now_ms):
        """True while the EC probe is out of the water, and for 60 s after."""
        return self._in_air_ms is not None and now_ms - self._in_air_ms < IN_AIR_HOLD_MS

    def samples(self, channel):
        """Return the number of consecutive valid samples of `channel`."""
        track = self._tracks.get(channel)
        return track[0] if track else 0

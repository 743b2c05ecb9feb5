"""Monitor first: a channel counts for dosing once it was plausible for long enough.

At least 12 samples in a row without a fault, over at least 120 s: a node that resets again and
again never gets there. One single sample that jumped is passed over; two in a row start anew.
Probes that hang out of the water are nothing to dose by, pH neither: EC tells.
"""

from idro.safety.limits import ARM_MS, ARM_SAMPLES, IN_AIR_HOLD_MS


class Arming:
    """Counts plausible samples by channel, told of every sampling cycle by observe()."""

    def __init__(self):
        self._tracks = {}  # channel: [count, since_ms, jumps in a row]
        self._in_air_ms = None  # when a probe was last in air

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

    def is_armed(self, channel, now_ms):
        """True when `channel` has been plausible for long enough."""
        track = self._tracks.get(channel)
        return track is not None and track[0] >= ARM_SAMPLES and now_ms - track[1] >= ARM_MS

    def is_in_air(self, now_ms):
        """True while a probe is out of the water, and a minute longer."""
        return self._in_air_ms is not None and now_ms - self._in_air_ms < IN_AIR_HOLD_MS

    def samples(self, channel):
        """Return how many plausible samples in a row `channel` has."""
        track = self._tracks.get(channel)
        return track[0] if track else 0

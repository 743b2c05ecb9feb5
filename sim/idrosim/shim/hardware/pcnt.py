"""Simulated esp32.PCNT: pulse counters that count the edges of the part at their pin.

As in the port (ports/esp32/esp32_pcnt.c), a counter that reaches `min` or `max` restarts at zero,
and 0 disables that limit; then it wraps like the 16-bit register. Interrupts, thresholds and the
mode pin are not simulated.
"""

from idrosim.shim.hardware.pins import pin_id

PCNT_COUNTS = {"esp32": 8, "esp32s2": 4, "esp32s3": 4}  # units per chip
_FILTER_TICKS, _LOWEST, _HIGHEST = 1_023, -32_768, 32_767


class PCNT:
    """A pulse counter unit. The object is a handle: there is one of each unit."""

    IGNORE, INCREMENT, DECREMENT = 0, 1, 2
    _runtime = None
    _units = {}

    def __new__(cls, id, **settings):
        if not 0 <= id < PCNT_COUNTS[cls._chip()]:
            raise ValueError("invalid id")
        unit = cls._units.get(id)
        if unit is None:
            unit = cls._units[id] = object.__new__(cls)
            unit._channels = [[None, cls.IGNORE, cls.IGNORE], [None, cls.IGNORE, cls.IGNORE]]
            unit.deinit()
        return unit

    def __init__(self, id, **settings):
        self.init(**settings)

    def init(self, *, channel=0, pin=None, rising=None, falling=None, min=None, max=None,
             filter=None, value=None):
        """Change the given settings. New limits clear the counter."""
        if channel not in (0, 1):
            raise ValueError("channel")
        if pin is not None:
            self._connect(channel, pin)
        if rising is not None or falling is not None:
            self._channels[channel][1:] = [
                _action("rising", rising), _action("falling", falling)]
        if filter is not None and not 0 <= filter <= _FILTER_TICKS:
            raise ValueError("filter")
        if value not in (None, 0):
            raise ValueError("value")
        if min is not None:
            if not _LOWEST <= min <= 0:
                raise ValueError("minimum")
            self._min = min
        if max is not None:
            if not 0 <= max <= _HIGHEST:
                raise ValueError("maximum")
            self._max = max
        if value is not None or min is not None or max is not None:
            self._count = 0

    def deinit(self):
        """Disconnect both channels, remove the limits, stop and clear."""
        for channel in (0, 1):
            self._connect(channel, None)
            self._channels[channel][1:] = [PCNT.IGNORE, PCNT.IGNORE]
        self._min = self._max = self._count = 0
        self._is_running = False

    def value(self, value=None):
        """Return the counter, and clear it if `value` is 0."""
        if value not in (None, 0):
            raise ValueError("value")
        self._sync()
        count = self._count
        if value is not None:
            self._count = 0
        return count

    def start(self):
        """Count."""
        self._is_running = True

    def stop(self):
        """Pause; the counter keeps its value."""
        self._is_running = False

    @classmethod
    def _sync(cls):
        """Let the world turn its wheels up to now."""
        cls._runtime.world.sync()

    @classmethod
    def _chip(cls):
        return cls._runtime.job["board"]["chip"]

    @classmethod
    def _part(cls, pin):
        """Return the part at `pin`, or None."""
        return cls._runtime.world.pin_parts.get(pin_id(pin))

    def _connect(self, channel, pin):
        settings = self._channels[channel]
        if settings[0] is not None:
            settings[0].watch(None)
        part = None if pin is None else self._part(pin)
        settings[0] = part if hasattr(part, "watch") else None
        if settings[0] is not None:
            part.watch(lambda level: self._edge(settings[1] if level else settings[2]))

    def _edge(self, action):
        if not self._is_running or action == PCNT.IGNORE:
            return
        self._count += 1 if action == PCNT.INCREMENT else -1
        if self._count in (self._min or _LOWEST - 1, self._max or _HIGHEST + 1):
            self._count = 0


def _action(name, action):
    """Return the action at an edge, by default IGNORE. Raises ValueError."""
    if action not in (None, PCNT.IGNORE, PCNT.INCREMENT, PCNT.DECREMENT):
        raise ValueError(name)
    return action or PCNT.IGNORE

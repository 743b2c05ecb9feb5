"""Signal chain of a probe: lag, drift, noise and faults of one quantity."""

import math

from idrosim.greenhouse.float_codec import pack_floats, unpack_floats
from idrosim.probes.parameters import settings

NOISY_TIMES = 60.0  # factor on the noise of a noisy signal
SLOW_TIMES = 30.0  # factor on the time constant of a slow one


class Signal:
    """The lagged `value`. Setting `fault` to anything but None or one of `faults` is an error."""

    def __init__(self, faults, rng):
        self._faults = faults
        self._rng = rng
        self._fault = None
        self._held = None
        self.value = None
        self.drifted = 0.0

    @property
    def fault(self):
        """None or the name of the fault."""
        return self._fault

    @fault.setter
    def fault(self, name):
        if name is not None and name not in self._faults:
            raise ValueError(f"fault {name!r}: not one of {self._faults}")
        if name != self._fault:
            self._fault = name
            self.drifted = 0.0
            self._held = self.value

    def follow(self, dt_s, aim, tau_s, drift_per_h):
        """Move towards `aim` with time constant `tau_s`; fault "drift" accumulates."""
        value = self.value
        if value is None:
            value = self._held = aim
        if self._fault is not None:
            if self._fault == "slow":
                tau_s *= SLOW_TIMES
            elif self._fault == "drift":
                self.drifted += drift_per_h * dt_s / 3600.0
        self.value = aim + (value - aim) * math.exp(-dt_s / tau_s)

    def look(self, noise):
        """Return the value with new noise of standard deviation `noise`; stuck has none."""
        if self.value is None:
            raise ValueError("step the probe before reading it")
        if self._fault == "stuck":
            return self._held
        if self._fault == "noisy":
            noise *= NOISY_TIMES
        return self.value + self.drifted + self._rng.gauss(noise)

    def state(self):
        """Return a JSON-able state, or None before the first step."""
        if self.value is None:
            return None
        return [self._fault, pack_floats([self.value, self._held, self.drifted])]

    def restore(self, state):
        """Restore what `state` returned."""
        if state is None:
            self.value, self._fault = None, None
            return
        self._fault = state[0]
        self.value, self._held, self.drifted = unpack_floats(state[1])


class Delay:
    """A dead time: the pipe to a probe."""

    def __init__(self):
        self._now_s = 0.0
        self._entered = []  # (second, value), oldest first; one is older than the delay

    def push(self, dt_s, value, delay_s):
        """Add the current `value`; return the one of `delay_s` ago, or the oldest."""
        self._now_s += dt_s
        entered = self._entered
        entered.append((self._now_s, value))
        while len(entered) > 1 and entered[1][0] <= self._now_s - delay_s:
            entered.pop(0)
        return entered[0][1]

    def state(self):
        """Return a list of floats."""
        return [self._now_s] + [number for pair in self._entered for number in pair]

    def restore(self, floats):
        """Restore what `state` returned."""
        self._now_s = floats[0]
        self._entered = [(floats[i], floats[i + 1]) for i in range(1, len(floats), 2)]


class Lagged:
    """Base of a probe with one quantity: lag, offset, noise and a fault."""

    KIND = ""  # of its parameters
    FOLLOWS = ("", "", "")  # keys of the true value, and of the parameters offset and drift
    FAULTS: tuple = ("stuck", "noisy", "drift", "slow")

    def __init__(self, params, rng):
        self.params = settings(self.KIND, params)
        self.signal = Signal(self.FAULTS, rng)

    @property
    def fault(self):
        """None or one of FAULTS."""
        return self.signal.fault

    @fault.setter
    def fault(self, name):
        self.signal.fault = name

    def step(self, dt_s, truth):
        """Advance by `dt_s` in a greenhouse of `truth`."""
        true, offset, drift = self.FOLLOWS
        params = self.params
        self.signal.follow(dt_s, truth[true] + params[offset], params["tau_s"], params[drift])

    def state(self):
        """Return a JSON-able state."""
        return self.signal.state()

    def restore(self, state):
        """Restore what `state` returned."""
        self.signal.restore(state)

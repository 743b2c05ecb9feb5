"""One quantity on its way through a probe: lag, drift, noise and what a fault does to it."""

import math

from idrosim.greenhouse.float_codec import pack_floats, unpack_floats

NOISY_TIMES = 60.0  # how much noisier a noisy signal is
SLOW_TIMES = 30.0  # how much longer a slow one takes


class Signal:
    """The lagged `value`; `fault` is None or one of `faults`, else ValueError."""

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
        """Move towards `aim` with time constant `tau_s`; a drifting fault runs away."""
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
        """Return the value with fresh noise of standard deviation `noise`; stuck is exact."""
        if self.value is None:
            raise ValueError("a probe needs a step before it can be read")
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
        """Take back what `state` returned."""
        if state is None:
            self.value, self._fault = None, None
            return
        self._fault = state[0]
        self.value, self._held, self.drifted = unpack_floats(state[1])


class Delay:
    """A pipe to a probe: what enters comes out so much later."""

    def __init__(self):
        self._now_s = 0.0
        self._entered = []  # (second, value), the oldest first; one is older than the delay

    def pass_on(self, dt_s, value, delay_s):
        """Take `value` in, of now; return what entered `delay_s` ago, or first."""
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
        """Take back what `state` returned."""
        self._now_s = floats[0]
        self._entered = [(floats[i], floats[i + 1]) for i in range(1, len(floats), 2)]


class Lagged:
    """One quantity with lag, offset and noise, and its fault: what most probes are."""

    FAULTS: tuple = ("stuck", "noisy", "drift", "slow")

    def __init__(self, params, rng):
        self.params = params
        self.signal = Signal(self.FAULTS, rng)

    @property
    def fault(self):
        """None or one of FAULTS."""
        return self.signal.fault

    @fault.setter
    def fault(self, name):
        self.signal.fault = name

    def state(self):
        """Return a JSON-able state."""
        return self.signal.state()

    def restore(self, state):
        """Take back what `state` returned."""
        self.signal.restore(state)

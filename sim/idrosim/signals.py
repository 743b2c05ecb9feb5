"""One quantity on its way through a probe: lag, drift, noise and what a fault does to it."""

import math

from idrosim.exact import pack_floats, unpack_floats

NOISY_TIMES = 60.0  # how much noisier a noisy signal is


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
        if self.value is None:
            self.value = self._held = aim
        self.value = aim + (self.value - aim) * math.exp(-dt_s / tau_s)
        if self._fault == "drift":
            self.drifted += drift_per_h * dt_s / 3600.0

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


class Lagged:
    """One quantity with lag, offset and noise, and its fault: what most probes are."""

    FAULTS = ("stuck", "noisy", "drift")

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

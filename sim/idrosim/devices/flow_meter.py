"""A turbine with a Hall sensor: one low pulse for each share of a litre that passed."""


class FlowMeter:
    """One meter. fault: None, "unplugged" or "stuck": no pulse ever."""

    IRQ_FALLING = 2

    def __init__(self, pulses_per_l):
        self._pulses_per_l = pulses_per_l
        self._rest_pulses = 0.0
        self._handler = None
        self.fault = None

    def set_level(self, level):
        raise AssertionError("flow_meter: its pin is an input")

    def level(self):
        """Return the level of the line: high between two pulses."""
        return 1

    def watch(self, handler, trigger):
        """Call `handler()` at every pulse; None for no more."""
        assert trigger == self.IRQ_FALLING, f"flow_meter: edges {trigger} count a pulse twice"
        self._handler = handler

    def flow(self, volume_ml):
        """Let `volume_ml` pass."""
        if self.fault is not None:
            return
        self._rest_pulses += volume_ml * self._pulses_per_l / 1_000
        whole = int(self._rest_pulses + 1e-6)
        self._rest_pulses -= whole
        if self._handler is not None:
            for _ in range(whole):
                self._handler()

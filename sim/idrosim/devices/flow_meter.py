"""A turbine flow meter with a Hall sensor: a low pulse per fixed volume."""


class FlowMeter:
    """One meter. fault: None, or "unplugged" or "stuck" (both: no pulses)."""

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
        """Call `handler()` at every pulse; None removes it."""
        assert trigger == self.IRQ_FALLING, f"flow_meter: edges {trigger} count pulses twice"
        self._handler = handler

    def flow(self, volume_ml):
        """Count `volume_ml` of flow."""
        if self.fault is not None:
            return
        self._rest_pulses += volume_ml * self._pulses_per_l / 1_000
        whole = int(self._rest_pulses + 1e-6)
        self._rest_pulses -= whole
        if self._handler is not None:
            for _ in range(whole):
                self._handler()

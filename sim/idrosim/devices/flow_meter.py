"""A turbine flow meter with a Hall sensor: a low pulse per fixed volume."""


class FlowMeter:
    """One meter. fault: None, or "unplugged" or "stuck" (both: no pulses)."""

    def __init__(self, pulses_per_l):
        self._pulses_per_l = pulses_per_l
        self._rest_pulses = 0.0
        self._on_edge = None
        self.fault = None

    def set_level(self, level):
        raise AssertionError("flow_meter: its pin is an input")

    def level(self):
        """Return the level of the line: high between two pulses."""
        return 1

    def watch(self, on_edge):
        """Call `on_edge(level)` at every edge of the line; None removes it."""
        self._on_edge = on_edge

    def flow(self, volume_ml):
        """Count `volume_ml` of flow."""
        if self.fault is not None:
            return
        self._rest_pulses += volume_ml * self._pulses_per_l / 1_000
        whole = int(self._rest_pulses + 1e-6)
        self._rest_pulses -= whole
        if self._on_edge is not None:
            for _ in range(whole):
                self._on_edge(0)
                self._on_edge(1)

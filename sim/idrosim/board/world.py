"""The world around one board: connects its pins and buses to the greenhouse.

The plant is stepped lazily: on a measurement, on a change of an output, and when the truth is
traced; in steps of at most 10 s, 1 s while a dosing pump turns. Steps depend only on reads and
writes of the firmware, so the same firmware and seed reproduce the same world bit by bit.
"""

from idrosim.board.wiring import LOADS, Wiring
from idrosim.greenhouse.greenhouse import Plant

CHUNK_US = 10_000_000
DOSING_CHUNK_US = 1_000_000
READ_GRAIN_US = 1_000_000  # measurements within this time of the last step need no new one
PROBE_KEY = "probe."
BED_ML = 6_000.0  # default bed of a board with irrigation: a few NFT channels


class World:
    """One greenhouse with one board. `emit(line)` prints a harness line."""

    def __init__(self, job, clock, emit):
        board = job["board"]
        params, probe_params = {}, {}
        for key, value in job["plant"].items():
            (probe_params if key.startswith(PROBE_KEY) else params)[key] = value
        if "start.hour" not in params:
            params["start.hour"] = job["start_unix_ms"] / 3_600_000 % 24
        if any([spec["name"] == "irrigation" for spec in board["actuators"]]):
            params.setdefault("bed.holds_ml", BED_ML)
        self._clock = clock
        self._emit = emit
        self.on_edge = None  # called with (output, share of full flow) at every change
        self._at_us = clock.now_us
        self.plant = Plant(params, job["seed"])
        self._wiring = Wiring(board, probe_params, job["seed"], clock, self.sync)
        self.i2c_buses = self._wiring.i2c_buses
        self.onewire_buses = self._wiring.onewire_buses
        self.uart_parts = self._wiring.uart_parts
        self.pin_parts = self._wiring.pin_parts
        self.own_adc = self._wiring.own_adc
        self._probes = list(self._wiring.probes.values())
        truth = self.plant.around()
        for probe in self._probes:
            probe.step(0.0, truth)
        self._loads = {}  # pin, or (expander, pin): (name, load, safe level)
        for spec in board["actuators"]:
            load = LOADS[spec["part"]](spec["safe_level"])
            load.set_level(spec["safe_level"])
            self._loads[_place(spec)] = (spec["name"], load, spec["safe_level"])
            self._wiring.fault_targets[spec["name"]] = load
        self._ratios = {pin: 0.0 for pin in self._loads}
        for name, expander in self._wiring.expanders.items():
            expander.on_change = self._expander_pin(name)

    # called by the board

    def set_level(self, pin, level):
        """Set the level of an output pin, 0 or 1."""
        bound = self._loads.get(pin)
        if bound is not None:
            bound[1].set_level(level)
            self._apply(pin)
        elif pin in self.pin_parts:
            self.pin_parts[pin].set_level(level)

    def set_duty(self, pin, ratio):
        """Set the duty cycle of a PWM pin, 0.0 to 1.0."""
        bound = self._loads.get(pin)
        if bound is not None:
            bound[1].set_duty(ratio)
            self._apply(pin)

    def power_off(self):
        """Return every output to its safe level, as its resistor does at a reset."""
        for pin, bound in self._loads.items():
            bound[1].set_level(bound[2])
            self._apply(pin)

    def _stateful_expanders(self):
        """Return the expanders whose registers survive a reset of the board, by name."""
        return {
            name: part for name, part in self._wiring.expanders.items() if hasattr(part, "state")}

    def _expander_pin(self, name):
        def changed(number, level):
            bound = self._loads.get((name, number))
            if bound is None:
                return
            if level is None:  # its resistor sets the level of a floating pin
                level = bound[2]
            if level in (0, 1):
                self.set_level((name, number), level)
            else:
                self.set_duty((name, number), level)

        return changed

    def sync(self):
        """Advance the world before a measurement."""
        if self._clock.now_us - self._at_us >= READ_GRAIN_US:
            self._step_to(self._clock.now_us)

    def _apply(self, pin):
        name, load, _ = self._loads[pin]
        ratio = load.ratio
        if ratio == self._ratios[pin]:
            return
        now_us = self._clock.now_us
        self._step_to(now_us)
        self._ratios[pin] = ratio
        self.plant.set_output(name, ratio)
        level = round(ratio, 3) if 0.0 < ratio < 1.0 else int(ratio)
        self._emit({"t": "pin", "at_us": now_us, "name": name, "level": level})
        if self.on_edge is not None:
            self.on_edge(name, ratio)

    # called by the scenario

    def truth(self):
        """Return the current true values."""
        self._step_to(self._clock.now_us)
        return self.plant.truth()

    def set_param(self, key, value):
        """Change `plant.<parameter>` or `probe.<kind>.<parameter>`. Raises ValueError."""
        self._step_to(self._clock.now_us)
        if key.startswith(PROBE_KEY):
            self._wiring.set_probe(key, value)
            return
        self.plant.set_param(key[6:] if key.startswith("plant.") else key, value)

    def press(self, for_ms):
        """Press the button of the board for `for_ms`. Raises ValueError if it has none."""
        button = self._wiring.fault_targets.get("button")
        if button is None:
            raise ValueError("press: this board has no button")
        button.press(for_ms * 1_000)

    def set_fault(self, kind, target):
        """Set a fault of `target` (a channel, an actuator or adc.<name>); "none" clears it.

        Raises ValueError for a target that this board does not have.
        """
        broken = self._wiring.fault_targets.get(target)
        if broken is None:
            known = ", ".join(sorted(self._wiring.fault_targets))
            raise ValueError(f"fault {kind}: target {target} is not one of {known}")
        self._step_to(self._clock.now_us)
        problem = None
        try:
            broken.fault = None if kind == "none" else kind
        except AssertionError as error:
            problem = error
        if problem is not None:
            raise ValueError(f"fault {target}: {problem}")
        for pin in self._loads:
            self._apply(pin)

    def _step_to(self, now_us):
        while self._at_us < now_us:
            chunk_us = DOSING_CHUNK_US if self.plant.is_dosing() else CHUNK_US
            if now_us - self._at_us < chunk_us:
                chunk_us = now_us - self._at_us
            dt_s = chunk_us / 1_000_000
            self.plant.step(dt_s)
            truth = self.plant.around()
            for probe in self._probes:
                probe.step(dt_s, truth)
            self._at_us += chunk_us

    # across a reset

    def save(self):
        """Return the state that survives a reset of the board, JSON-able."""
        return {
            "at_us": self._at_us,
            "plant": self.plant.state(),
            "probes": {
                name: [probe.params, probe.state()] for name, probe in self._wiring.probes.items()
            },
            "faults": {
                name: target.fault for name, target in self._wiring.fault_targets.items()
                if target.fault is not None},
            "expanders": {name: part.state() for name, part in self._stateful_expanders().items()},
        }

    def load(self, state, had_power=True):
        """Restore what `save` returned. `had_power`: the parts did not lose their supply."""
        self._at_us = state["at_us"]
        self.plant.restore(state["plant"])
        for name, probe in self._wiring.probes.items():
            probe.params, probe_state = state["probes"][name]
            probe.restore(probe_state)
        for name, fault in state["faults"].items():
            target = self._wiring.fault_targets[name]
            if target.fault != fault:  # a probe has already restored its own
                target.fault = fault
        for name, part in self._stateful_expanders().items():
            if had_power:
                part.restore(state["expanders"][name])
        for name, load, _ in self._loads.values():
            if load.ratio == 0.0:  # the end of a run may have left it on
                self.plant.set_output(name, 0.0)
        for pin in self._loads:
            self._apply(pin)


def _place(spec):
    """Return the location of an actuator: a pin of the chip, or (expander, pin)."""
    return (spec["expander"], spec["pin"]) if "expander" in spec else spec["pin"]

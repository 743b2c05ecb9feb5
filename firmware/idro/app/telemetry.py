"""Builds telemetry records: the values and faults of one sampling instant."""

from idro.protocol.quantities import QUANTITIES

_RSSI = QUANTITIES["rssi_dbm"]
LEVEL, VOLUME = "reservoir.level_mm", "reservoir.volume_ml"


class Telemetry:
    """Builds records. `channels` are all channels that a record may hold, in a fixed order."""

    def __init__(self, sampler, outputs, clock):
        self._sampler = sampler
        self._clock = clock
        self._last_at_ms = 0
        self._last_on_ms = {name: 0 for name in outputs}
        self.channels = list(sampler.channels)
        if LEVEL in self.channels:
            self.channels.append(VOLUME)
        self._add_vpd = None
        if "fan" in outputs or "humidifier" in outputs:
            from idro.app.vpd import VPD, add_vpd

            self._add_vpd = add_vpd
            self.channels.append(VPD)
        self._outputs_shown = []  # (channel, output) of all but dosers
        for name, output in outputs.items():
            if output.kind != "doser":
                key = "duty_pct" if output.kind == "dimmer" else "on_pct"
                self._outputs_shown.append((f"{name}.{key}", output))
        self.channels += [channel for channel, _ in self._outputs_shown]
        self.channels += ["node.heap_free_b", "node.outbox_count", "node.rssi_dbm"]

    def record(self, area_cm2, heap_free_b, outbox_count, rssi_dbm):
        """Return (at_ms, values, faults) of now. `rssi_dbm` is None without Wi-Fi."""
        at_ms = self._clock.now_ms()
        values = {}
        faults = {}
        for channel, sample in self._sampler.readings.items():
            if sample.fault is None:
                values[channel] = sample.value
            else:
                faults[channel] = sample.fault
        if LEVEL in values:
            values[VOLUME] = values[LEVEL] * area_cm2 // 10
        elif LEVEL in faults:
            faults[VOLUME] = faults[LEVEL]
        if self._add_vpd is not None:
            self._add_vpd(values, faults)
        self._add_outputs(values, max(1, at_ms - self._last_at_ms))
        self._last_at_ms = at_ms
        values["node.heap_free_b"] = heap_free_b
        values["node.outbox_count"] = outbox_count
        if rssi_dbm is not None:
            values["node.rssi_dbm"] = min(_RSSI.high, max(_RSSI.low, rssi_dbm))
        return at_ms, values, faults

    def _add_outputs(self, values, interval_ms):
        for channel, output in self._outputs_shown:
            driver = output.driver
            if output.kind == "dimmer":
                values[channel] = driver.duty_pct
                continue
            on_ms = driver.on_ms_total
            ran_ms = on_ms - self._last_on_ms[output.name]
            self._last_on_ms[output.name] = on_ms
            values[channel] = min(100, (ran_ms * 100 + interval_ms // 2) // interval_ms)

"""Foreign readings on clocks that a test moves, with a real store."""

import json

from idroserra.core.config import load_config
from idroserra.core.page_settings import PageSettings
from idroserra.foreign.service import ForeignReadings
from idroserra.history.sqlite.store import SqliteStore

T0 = 1_795_507_200_000
HOUR_S = 3_600
SHED = "foreign/hub/zigbee2mqtt/shed"
FLOOR = "foreign/hub/zigbee2mqtt/floor"


class Rig:
    """Foreign readings without a broker, on clocks that the test moves."""

    def __init__(self, folder):
        self.folder = folder
        self.now_unix_ms, self.now_s = T0, 1_000.0
        self.store = SqliteStore(folder / "store.db")
        self.stored = []
        self.open()

    def open(self):
        self.settings = PageSettings(self.folder)
        config = load_config(overrides={"data_dir": str(self.folder),
                                        "foreign": {"topics": ["foreign/#"]}})
        self.foreign = ForeignReadings(
            config, self.settings, lambda: self.store,
            lambda instants, events: self.stored.extend(instants),
            lambda: self.now_unix_ms, lambda: self.now_s)

    def restart(self):
        self.settings.close()
        self.open()

    def wait(self, seconds):
        self.now_unix_ms += round(seconds * 1_000)
        self.now_s += seconds

    def send(self, topic, body, *, retained=False):
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.foreign.receive(topic, payload, retained)

    def adopt(self, name="shed-air", device=SHED, field="temperature", **more):
        values = {"low": -20, "high": 60, "too_old_s": 2 * HOUR_S} | more
        return self.foreign.adopt(name, {"device": device, "field": field, **values}, "anna")

    def reading(self):
        [found] = self.foreign.readings()
        return found.state, found.number

    def history(self, node="foreign:shed-air", channel="foreign.temp_c"):
        return [(one.unix_ms - T0, one.values[channel])
                for one in self.store.instants(node, 0, 2 * T0)]

"""Runs broker, simulated greenhouses, host and page on one machine.

Each greenhouse runs the image of the reference board in MicroPython, in real time. Its history
is simulated in lockstep and sent through the same broker. All files are in one folder.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from idroserra.auth.roles import Role
from idroserra.boards import compiler
from idroserra.broker.local import Broker, free_port
from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError, HostError
from idroserra.demo.greenhouse import DAY_MS, Greenhouse
from idroserra.demo.influxd import LocalInflux
from idroserra.image import build
from idroserra.journal.models import Author, Draft
from idroserra.server.service import Service
from idroserra.web.app import create_app
from idroserra.web.help_site import site_dir
from idroserra.web.process import check_port
from idroserra.web.server import WebServer
from idrosim.runner import process

BOARD = "esp32-reservoir"
DEMO_USER = "demo"
SETTLE_DEADLINE_S = 20.0
_DEFAULT_HTTP_PORT = 8080

# Two kinds of greenhouse; further nodes vary the seed. Both start manually filled, with the pH
# brought near its target by acid_ml of the stock.
PLANTS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    (
        "lettuce",
        {"reservoir.acid_ml": 15.0, "outside.temp_c": 20.0},
        {"ph.target": 5.9, "ec.target_us_cm": 1_600},
    ),
    (
        "basil",
        {
            "reservoir.strength": 0.8, "reservoir.acid_ml": 13.0, "outside.temp_c": 23.0,
            "outside.rh_pct": 60.0, "crop.area_m2": 0.3, "light.ppfd_umol_m2_s": 200.0},
        {"ph.target": 6.1, "ec.target_us_cm": 1_300},
    ),
)
# Commissioned for 60 litres of soft water: volumes from the titration of one litre.
_SETTINGS: dict[str, Any] = {
    "dosing.enabled": True, "reservoir.area_cm2": 3_000, "level.low_mm": 100,
    "level.target_mm": 190, "level.full_mm": 240, "ec.ul_per_100_us_cm": 40_000,
    "ph.down_ul_per_ph": 30_000, "ph.up_ul_per_ph": 30_000,
}


class DemoError(HostError):
    """The demo cannot start or continue. The message says what is missing and what to do."""


@dataclass
class Options:
    """Options of the command line."""

    nodes: int = 2
    history_days: float = 14.0
    port: int | None = None
    broker: str = "auto"
    seed: int = 1
    influx: bool = False  # start an InfluxDB as the store


@dataclass
class Demo:
    """Context manager that starts, reports on and stops the demo."""

    folder: Path
    options: Options
    say: Callable[[str], None]
    greenhouses: list[Greenhouse] = field(default_factory=list)

    def __enter__(self) -> Demo:
        self._start_unix_ms = time.time_ns() // 1_000_000
        self._broker = Broker(self.folder / "broker", self.options.broker)
        self.broker_kind = self._broker.kind
        self._influx = LocalInflux(self.folder / "influxdb") if self.options.influx else None
        self.port = _http_port(self.options.port)
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        try:
            process.find_micropython()
        except process.SimulatorError as error:
            raise DemoError(str(error)) from None
        self.say("building the image of the board")
        self._board = compiler.load(BOARD)
        self.image = build.build_image(BOARD, self.folder / "image")
        self.say(f"starting the broker ({self._broker.kind}) on port {self._broker.port}")
        self._broker.start()
        self._start_host()
        for number in range(self.options.nodes):
            self.greenhouses.append(self._greenhouse(number))
        for greenhouse in self.greenhouses:
            self._start_node(greenhouse)

    def _start_host(self) -> None:
        overrides = {
            "site": "demo",
            "data_dir": str(self.folder / "host"),
            "mqtt": {
                "url": self._broker.url, "username": "host",
                "protocol": "5" if self._broker.mqtt_version == 5 else "3.1.1"},
            "http": {"port": self.port},
        }
        if self._influx is not None:
            self.say(f"starting InfluxDB on port {self._influx.port}")
            self._influx.start()
            overrides["store"] = self._influx.store
        self.say("starting the host")
        self.service = Service(load_config(overrides=overrides))
        if self._influx is not None:
            self.service.store.init(lambda *_: None)
        self.service.start()
        self.link = self._login_link()
        app = create_app(self.service, simulated=True, help_site=site_dir())
        self._web = WebServer(app, "127.0.0.1", self.port)
        self._web_thread = threading.Thread(target=self._web.run, name="web", daemon=True)
        self._web_thread.start()
        _wait_until(
            lambda: self._web.started or not self._web_thread.is_alive(), SETTLE_DEADLINE_S)
        if not self._web.started:
            raise DemoError(f"the page did not start on port {self.port}: choose another --port")

    def _login_link(self) -> str:
        """Return a login link, valid while the demo runs. The password is random and discarded."""
        access = self.service.access
        if not access.users.has_admin:
            access.users.add(DEMO_USER, Role.ADMIN, secrets.token_urlsafe(32))
        return f"{self.url}/login#{access.open_link(DEMO_USER)}"

    def _greenhouse(self, number: int) -> Greenhouse:
        kind, plant, settings = PLANTS[number % len(PLANTS)]
        turn = number // len(PLANTS)
        node = f"serra-{kind}" if turn == 0 else f"serra-{kind}-{turn + 1}"
        key = secrets.token_bytes(32)
        offset = datetime.fromtimestamp(self._start_unix_ms / 1_000).astimezone().utcoffset()
        offset_min = int(offset.total_seconds() // 60) if offset else 0
        settings = _SETTINGS | settings | {"clock.utc_offset_min": offset_min}
        return Greenhouse(
            node, key, settings, plant, self.options.seed + number, self._start_unix_ms,
            int(self.options.history_days * DAY_MS))

    def _start_node(self, greenhouse: Greenhouse) -> None:
        self.say(f"starting {greenhouse.node} in MicroPython")
        self.service.nodes.adopt(greenhouse.node, greenhouse.key)
        self.service.commands.set_config(greenhouse.node, greenhouse.settings, "demo")
        if greenhouse.water_change_unix_ms is not None:
            changed = Draft(greenhouse.node, "water_change", greenhouse.water_change_unix_ms)
            self.service.journal.add(changed, Author("host", "demo"), "demo")
        greenhouse.power_up(self._job, self._broker.port)

    def _job(self, greenhouse: Greenhouse, run: str, **more: Any) -> dict[str, Any]:
        """Return the simulator job of a run of a greenhouse, with the image on its flash."""
        job = process.make_job(
            greenhouse.node, self._board, self.folder / "nodes" / greenhouse.node / run,
            key=greenhouse.key.hex(),
            nvs={"broker_port": self._broker.port}, **more,
        )
        process.install_image(job, self.folder / "image")
        return job

    def publish_progress(self) -> None:
        """Publish the progress of the histories to the page."""
        for greenhouse in self.greenhouses:
            progress = None
            if greenhouse.is_alive():
                progress = {
                    "done_ms": greenhouse.history_done_ms, "total_ms": greenhouse.history_ms}
            if progress != self.service.live.progress(greenhouse.node):
                self.service.live.set_progress(greenhouse.node, progress)

    def failures(self) -> list[str]:
        """Return the errors of background tasks, one line each."""
        lines = []
        for greenhouse in self.greenhouses:
            if greenhouse.live is not None and greenhouse.live.error:
                lines.append(f"{greenhouse.node}: {greenhouse.live.error}")
            if greenhouse.error:
                lines.append(f"{greenhouse.node}: history: {greenhouse.error}")
        return lines

    def stop(self) -> None:
        """Stop all parts in order. Idempotent."""
        for greenhouse in self.greenhouses:
            greenhouse.request_stop()
        for greenhouse in self.greenhouses:
            greenhouse.stop()
        if hasattr(self, "_web_thread"):
            self._web.should_exit = True
            self._web_thread.join(SETTLE_DEADLINE_S)
            del self._web_thread
        if hasattr(self, "service"):
            self.service.stop()
            del self.service
        self._broker.stop()
        if self._influx is not None:
            self._influx.stop()


def _http_port(wanted: int | None) -> int:
    """Return `wanted`, else 8080 if free, else any free port.

    Raises ConfigError if `wanted` is in use.
    """
    if wanted is not None:
        check_port("127.0.0.1", wanted)
        return wanted
    try:
        check_port("127.0.0.1", _DEFAULT_HTTP_PORT)
    except ConfigError:
        return free_port()
    return _DEFAULT_HTTP_PORT


def _wait_until(is_true: Callable[[], object], deadline_s: float) -> bool:
    """Return True as soon as `is_true()` holds, False after the deadline."""
    deadline = time.monotonic() + deadline_s
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True

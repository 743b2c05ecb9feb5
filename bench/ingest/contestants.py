"""Contestants of the ingest bench: how each is started, and its measurement in the database.

`make bench-ingest` installs peers into build/peers; they are not dependencies of the project.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PEERS = Path("build/peers")
FIELD = {"contract": "ph", "plain": "reservoir_ph"}


class Place(NamedTuple):
    """Ports of broker and database, and a folder for files."""

    folder: Path
    mqtt_port: int
    database_port: int


class Contestant(NamedTuple):
    """`command` writes configuration files and returns the command line. Rates above
    `most_per_s` are skipped."""

    name: str
    kind: str
    measurement: str
    is_durable: str
    command: Callable[[Place], list[str]]
    most_per_s: int | None = None


def _ours(place: Place) -> list[str]:
    config = {
        "data_dir": str(place.folder / "host"),
        "mqtt": {"url": f"mqtt://127.0.0.1:{place.mqtt_port}"},
        "store": {"kind": "influx", "url": f"http://127.0.0.1:{place.database_port}",
                  "database": "bench", "write_api": "v1"},
    }
    profile = [str(place.folder / "profile")] if PROFILE else []
    return [sys.executable, str(HERE / "our_host.py"), json.dumps(config), *profile]


def _tutorial(place: Place) -> list[str]:
    return [str(PEERS / "py/bin/python"), str(HERE / "tutorial.py"),
            str(place.mqtt_port), str(place.database_port)]


def _mqttwarn(place: Place) -> list[str]:
    config = place.folder / "mqttwarn.ini"
    config.write_text(
        f"[defaults]\nhostname = '127.0.0.1'\nport = {place.mqtt_port}\n"
        "clientid = 'mqttwarn-bench'\ncleansession = False\nlaunch = influxdb\n"
        "loglevel = ERROR\nlogfile = 'stream://sys.stderr'\nnum_workers = 1\n"
        "[config:influxdb]\nhost = '127.0.0.1'\n"
        f"port = {place.database_port}\nusername = 'x'\npassword = 'x'\ndatabase = 'bench'\n"
        "targets = {'sample': ['sample_mqttwarn']}\n"
        "[idro/v1/+/up/telemetry]\ntargets = influxdb:sample\nqos = 1\n"
        f"format = {_line_format()}\n"
    )
    return [str(PEERS / "py/bin/mqttwarn"), f"--config-file={config}"]


def _line_format() -> str:
    return "reservoir_ph={reservoir_ph},reservoir_ec_us_cm={reservoir_ec_us_cm}"


def _mqtt2influxdb(place: Place) -> list[str]:
    config = place.folder / "mqtt2influxdb.yml"
    names = ("reservoir_ph", "reservoir_ec_us_cm", "reservoir_temp_c", "reservoir_level_mm",
             "air_temp_c", "air_rh_pct", "node_heap_free_b", "node_rssi_dbm")
    fields = "".join(f"      {name}:\n        value: $.payload.{name}\n        type: float\n"
                     for name in names)
    config.write_text(
        f"mqtt:\n  host: 127.0.0.1\n  port: {place.mqtt_port}\n"
        f"influxdb:\n  host: 127.0.0.1\n  port: {place.database_port}\n  database: bench\n"
        "points:\n  - measurement: sample_mqtt2influxdb\n    topic: idro/v1/+/up/telemetry\n"
        f"    fields:\n{fields}    tags:\n      node: $.topic[2]\n"
    )
    return [str(PEERS / "py/bin/mqtt2influxdb"), "-c", str(config)]


def _node_red(place: Place) -> list[str]:
    home = place.folder / "node-red"
    home.mkdir(exist_ok=True)
    text = (HERE / "node_red_flow.json").read_text()
    text = text.replace('"MQTT_PORT"', f'"{place.mqtt_port}"')
    (home / "flow.json").write_text(text.replace("DATABASE_PORT", str(place.database_port)))
    (home / "settings.js").write_text(
        "module.exports = {flowFile: 'flow.json', httpAdminRoot: false, httpNodeRoot: false,"
        " uiPort: 0, uiHost: '127.0.0.1', logging: {console: {level: 'error'}}}\n"
    )
    entry = PEERS / "node_modules/node-red/red.js"
    return ["node", str(entry), "--userDir", str(home), "--settings", str(home / "settings.js")]


PROFILE = False
CONTESTANTS = (
    Contestant("idroserra", "contract", "sample", "yes", _ours),
    Contestant("paho, batching, as tutorials do", "plain", "sample_tutorial", "no", _tutorial),
    Contestant("Node-RED, joining 500", "plain", "sample_node_red", "no", _node_red),
    Contestant("mqttwarn", "plain", "sample_mqttwarn", "no", _mqttwarn, 1_000),
    Contestant("mqtt2influxdb", "plain", "sample_mqtt2influxdb", "no", _mqtt2influxdb,
               1_000),
)


def install_peers() -> None:
    """Install missing peers."""
    if not (PEERS / "py/bin/mqttwarn").exists():
        print("idroserra: installing mqttwarn, mqtt2influxdb and paho into build/peers")
        PEERS.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(PEERS / "py")], check=True)
        subprocess.run([str(PEERS / "py/bin/pip"), "install", "--quiet", "mqttwarn",
                        "influxdb", "mqtt2influxdb", "influxdb-client"], check=True)
    if not (PEERS / "node_modules/node-red").exists():
        print("idroserra: installing Node-RED into build/peers (a minute)")
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "node-red"],
                       cwd=PEERS, check=True)

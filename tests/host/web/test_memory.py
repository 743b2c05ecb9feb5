"""Memory and imports of a host: no CLI modules, no unused modules."""

import re
import subprocess
import sys
from pathlib import Path

from support.wait import wait_until

# Each is loaded where it is used: commands, keys, scrapes, reports, exports, notices.
NOT_FOR_SERVING = {
    "apprise", "babel", "cryptography", "fastapi", "idroserra.cli",
    "idroserra.auth.openid.login", "idroserra.homeassistant.bridge", "ifaddr", "influxdb_client",
    "joserfc", "numpy", "PIL", "prometheus_client", "pyarrow", "pydantic", "rich", "serial",
    "textual", "typer", "websockets",
}
# Interpreter and web framework alone. A host that was started takes 1.645 times as much.
BARE = """
import sys, sqlite3, ssl, msgspec, paho.mqtt.client, argon2, starlette.applications
import jinja2, uvicorn.server
print("ready", flush=True)
sys.stdin.read()
"""
MOST_TIMES_BARE = 1.7


def rss_kb(pid):
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def loaded():
    asked = ("import sys, idroserra.web.process, idroserra.server.service, idroserra.web.app,"
             " idroserra.web.server; print(*sys.modules)")
    return set(subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True,
                              text=True, timeout=600).stdout.split())


def test_a_host_loads_nothing_it_does_not_use():
    assert loaded() & NOT_FOR_SERVING == set()


def test_a_started_host_is_little_more_than_its_web_framework(tmp_path, mosquitto):
    config = tmp_path / "host.toml"
    config.write_text(
        f'data_dir = "{tmp_path / "data"}"\n[mqtt]\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n'
        "[http]\nport = 0\n")
    bare = subprocess.Popen([sys.executable, "-c", BARE], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    host = subprocess.Popen(
        [sys.executable, "-m", "idroserra.cli", "serve", "--config", str(config)],
        stderr=subprocess.PIPE, text=True)
    try:
        assert bare.stdout.readline() == "ready\n"
        wait_until(lambda: re.search(r"http://127", host.stderr.readline()), 60, "the page is up")
        assert b"idroserra.web.process" in Path(f"/proc/{host.pid}/cmdline").read_bytes()
        assert rss_kb(host.pid) < MOST_TIMES_BARE * rss_kb(bare.pid)
    finally:
        host.terminate()
        host.wait(60)
        host.stderr.close()
        bare.communicate()

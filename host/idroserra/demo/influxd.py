"""Runs an InfluxDB 1.x on loopback for `idroserra demo --store influxdb`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from idroserra.broker.local import free_port
from idroserra.broker.local_server import LocalServer, LocalServerError, find_server

DATABASE = "idroserra"


class LocalInflux(LocalServer):
    """An influxd process on a loopback port, with all its data in `folder`."""

    kind = "influxd"

    def __init__(self, folder: Path) -> None:
        """Raises LocalServerError if this machine has no influxd of a 1.x."""
        super().__init__(folder, free_port())
        program = find_server(self.kind)
        if program is None:
            raise LocalServerError("influxd is not installed: apt install influxdb, or run the"
                                   " demo without --store influxdb")
        version = subprocess.run([program, "version"], capture_output=True, text=True, timeout=60,
                                 check=False).stdout.strip()
        if " v1." not in f" {version}":
            raise LocalServerError(
                f"{program} is {version or 'no InfluxDB'}: the demo starts a 1.x only; start"
                " yours, and name it with IDROSERRA_STORE__KIND=influx and IDROSERRA_STORE__URL")
        self._program = program

    @property
    def store(self) -> dict[str, Any]:
        """The section [store] of a host that writes to it."""
        return {"kind": "influx", "url": f"http://127.0.0.1:{self.port}", "database": DATABASE,
                "write_api": "v1"}

    def _command(self) -> list[str]:
        config = self.folder / "influxdb.conf"
        config.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "127.0.0.1:{free_port()}"\n'
            f'[meta]\ndir = "{self.folder}/meta"\n'
            f'[data]\ndir = "{self.folder}/data"\nwal-dir = "{self.folder}/wal"\n'
            "query-log-enabled = false\n"
            f'[http]\nbind-address = "127.0.0.1:{self.port}"\nlog-enabled = false\n'
            "[monitor]\nstore-enabled = false\n")
        return [self._program, "-config", str(config)]

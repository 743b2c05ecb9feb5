"""A real OpenSSH server on a free loopback port, for files of the user who runs the test."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

from support.programs import program
from support.server_process import Server


class SshServer(Server):
    """sshd for one key and SFTP only. `settings` are those of [standby] but for the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._sshd = program("sshd")
        for name in ("host", "client"):
            subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f",
                            str(folder / name)], check=True)
        if os.geteuid() == 0:  # sshd wants it of root; the package's service makes it
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def url(self, folder: Path) -> str:
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{folder}"

    @property
    def settings(self) -> dict[str, str]:
        return {"key_file": str(self.folder / "client"),
                "host_key": (self.folder / "host.pub").read_text().strip()}

    def command(self) -> list[str]:
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder / 'host'}\n"
            f"AuthorizedKeysFile {self.folder / 'client.pub'}\nStrictModes no\nPidFile none\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n"
            "Subsystem sftp internal-sftp\nForceCommand internal-sftp\nLogLevel ERROR\n")
        return [self._sshd, "-D", "-e", "-f", str(config)]

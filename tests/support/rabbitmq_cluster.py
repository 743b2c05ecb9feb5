"""A real cluster of three RabbitMQ brokers with the files of `idroserra broker init`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from idroserra.broker import cluster
from idroserra.broker.certificates import broker_folder_of, folder_of
from idroserra.broker.cluster import ClusterCertificates
from idroserra.broker.rabbitmq import CONFIG_DIR, DISTRIBUTION_PORT, ENABLE_METADATA
from idroserra.doctor.cluster import check_cluster
from support.erlang_network import ErlangNetwork
from support.programs import not_tried, program
from support.server_process import Server
from support.wait import wait_until

MEMBERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")  # addresses of loopback: machines of their own
# Those in sbin are for the user of the service.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_DEADLINE_S = 180.0


class Member(Server):
    """One broker; `port` is for the other members. Its files are copied as to a machine."""

    def __init__(self, folder: Path, address: str, ports: Ports) -> None:
        super().__init__(folder)
        self.address = address
        self.state = folder / "state"
        self._ports = ports

    def command(self) -> list[str]:
        return [str(SERVER)]

    def install(self, files: Path) -> None:
        """Copy the files of this member."""
        for file in files.iterdir():
            text = file.read_text().replace(CONFIG_DIR, str(self.folder)).replace(
                f"DIST_PORT={DISTRIBUTION_PORT}", f"DIST_PORT={self.port}")
            (self.folder / file.name).write_text(text)
        cookie = self.folder / ".erlang.cookie"
        cookie.unlink(missing_ok=True)
        shutil.copy(self.folder / "erlang.cookie", cookie)
        cookie.chmod(0o400)

    def start(self) -> None:
        """Start the process; it may wait for the others before it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder,
                env=self._environment(), start_new_session=True)

    def kill(self) -> None:
        """End the broker, which the script has started beside itself, with SIGKILL."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):  # it has exited by itself
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(60)
        self._process = None
        wait_until(lambda: not self.answers(), 60, f"{self.address} is dead")

    def keep_alive(self) -> None:
        """Start the broker again if it has exited, as systemd does."""
        if self._process is not None and self._process.poll() is not None:
            self.start()

    def shut_down(self) -> None:
        """End the broker as its service does."""
        self.control("shutdown")
        assert self._process is not None
        self._process.wait(60)
        self._process = None

    def control(self, *words: str) -> None:
        """Run rabbitmqctl as on the machine of this broker."""
        self.run("rabbitmqctl", *words)

    def run(self, tool: str, *words: str) -> None:
        """Run a tool of RabbitMQ as on the machine of this broker."""
        subprocess.run([str(SERVER.with_name(tool)), *words], env=self._environment(), check=True,
                       timeout=120, stdout=subprocess.DEVNULL)

    @property
    def memory_mb(self) -> float:
        """Resident memory of the broker."""
        sizes = [re.findall(r"VmRSS:\s+(\d+)", path.read_text())
                 for path in Path("/proc").glob("[0-9]*/status")
                 if _group(path.parent.name) == self.pid]
        return sum(int(size) for found in sizes for size in found) / 1_024

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items()
               if not name.startswith("RABBITMQ_")}
        return own | {
            "HOME": str(self.folder),
            "ERL_CRASH_DUMP": str(self.folder / "erl_crash.dump"),
            "ERL_EPMD_PORT": str(self._ports.epmd[self.address]),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.state),
            "RABBITMQ_LOGS": "-",
        }

    def answers(self) -> bool:
        try:
            for port in (self._ports.node, self._ports.management):
                socket.create_connection((self.address, port), 5).close()
        except OSError:
            return False
        return True

    def wait(self) -> None:
        """Wait until the broker answers."""
        wait_until(self._is_up, START_DEADLINE_S, f"{self.address} answers")


class Ports:
    """Free ports, the same at every member, and those of the Erlang port mapper."""

    def __init__(self) -> None:
        self._held = [_reserve() for _ in range(3)]
        self.node, self.management, epmd = (held.getsockname()[1] for held in self._held)
        self.epmd = dict.fromkeys(MEMBERS, epmd)


class Epmd:
    """Erlang's port mapper."""

    def __init__(self, port: int) -> None:
        self._command = [program("epmd"), "-port", str(port), "-address", ",".join(MEMBERS)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(60)


class RabbitCluster:
    """The cluster of a host whose data is in `folder/data`. `network` is None unless
    `can_part`."""

    def __init__(self, folder: Path, *, can_part: bool = False) -> None:
        if not list(SERVER.parents[1].glob("lib/rabbitmq_server-4*")):
            not_tried("rabbitmq-server 4 is not installed (Debian 13 has it)")
        self.ports = Ports()
        self.data_dir = folder / "data"
        self.data_dir.mkdir(parents=True)
        self.members = [Member(folder / address, address, self.ports) for address in MEMBERS]
        self.network: ErlangNetwork | None = None
        if can_part:
            self.network = ErlangNetwork({one.address: one.port for one in self.members})
            self.ports.epmd = self.network.ports
        self.write_files()
        self.certificates = ClusterCertificates(self.data_dir)
        self._opened = ExitStack()

    def write_files(self) -> None:
        """Do what `broker init` does, and copy its files to the members."""
        cluster.init(self.data_dir, "test", MEMBERS, ["localhost", "127.0.0.1"],
                     node_port=self.ports.node, management_port=self.ports.management)
        for member in self.members:
            member.install(broker_folder_of(self.data_dir) / member.address)

    def enable_metadata(self) -> None:
        """Do the last step of docs/cluster.md, while all members run."""
        self.members[0].run(*ENABLE_METADATA.split())

    def findings(self, address: str = MEMBERS[0]) -> dict[str, tuple[str, str]]:
        """Return {check: (state, text)} of the doctor; `address` is the name in mqtt.url."""
        return {check.name: (check.state, f"{check.found}: {check.advice}")
                for check in check_cluster(self.data_dir, address)}

    def cell(self, data_dir: Path) -> ClusterCertificates:
        """Create a second host, whose CA every broker trusts from its next start."""
        data_dir.mkdir(parents=True)
        cluster.init(data_dir, "second", MEMBERS, ["localhost"], node_port=self.ports.node,
                     management_port=self.ports.management, joins=self.certificates.authority.path)
        second = ClusterCertificates(data_dir)
        for member in self.members:
            with (member.folder / "ca.pem").open("a") as file:
                file.write(second.authority.path.read_text())
        return second

    def join(self, data_dir: Path) -> ClusterCertificates:
        """Let a second host in, as docs/cluster.md says: its CA at every broker, its definitions
        at one."""
        second = self.cell(data_dir)
        folder = broker_folder_of(data_dir) / second.authority.cell
        self.members[0].control("import_definitions", str(folder / "definitions.json"))
        for member in self.members:
            member.control("eval", "ssl:clear_pem_cache().")
        return second

    def files(self, user: str) -> tuple[Path, Path]:
        """Return certificate and key of `host` or a node."""
        if user == "host":
            folder = folder_of(self.data_dir)
            return folder / "host.pem", folder / "host.key"
        return self.certificates.files(user)

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.network or Epmd(self.ports.epmd[MEMBERS[0]]))
            for member in self.members:
                opened.callback(member.kill)
                member.start()
            for member in self.members:
                member.wait()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def _group(pid: str) -> int | None:
    """Return the process group of a process, or None if it has ended."""
    try:
        return os.getpgid(int(pid))
    except ProcessLookupError:
        return None


def _reserve() -> socket.socket:
    """Bind a free port of all loopback addresses, without listening."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.2", 0))
    return held

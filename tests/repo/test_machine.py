"""What .ci/machine installs and names on package lists of releases, with a stand-in for apt.

And what tests do without their programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "machine"
TOOLS = ("bash", "sed", "sort", "head", "grep", "cat", "chmod", "env", "timeout")
# Of the packages that the tests need, those that a release has, with their programs.
DEBIAN_13 = {"mosquitto": "mosquitto", "influxdb": "influxd", "chromium": "chromium",
             "victoria-metrics": "victoria-metrics", "promtool": "promtool",
             "prometheus": "prometheus", "chromium-headless-shell": "chromium-headless-shell",
             "rabbitmq-server": "rabbitmqctl", "openssh-server": "sshd"}
DEBIAN_12 = {"mosquitto": "mosquitto", "influxdb": "influxd", "chromium": "chromium",
             "victoria-metrics": "victoria-metrics", "prometheus": "promtool",
             "rabbitmq-server": "rabbitmqctl", "openssh-server": "sshd"}
UBUNTU_24_04 = {"mosquitto": "mosquitto", "influxdb": "influxd",
                "victoria-metrics": "victoria-metrics", "prometheus": "promtool",
                "chromium-browser": "chromium-browser", "rabbitmq-server": "rabbitmqctl",
                "openssh-server": "sshd"}
OLD = {"mosquitto": "mosquitto version 2.0.11", "victoria-metrics": "-retentionPeriod",
       "rabbitmq-server": "3.10.8"}
NEW = {"mosquitto": "mosquitto version 2.0.21", "victoria-metrics": "-inmemoryDataFlushInterval",
       "rabbitmq-server": "4.0.5"}

APT_CACHE = """#!{bash}
# apt-cache show PACKAGE
[ -e {packages}/"$2" ] || {{ echo "N: Unable to locate package $2" >&2; exit 100; }}
"""
APT_GET = """#!{bash}
# apt-get update, or apt-get install -y -qq --no-install-recommends PACKAGE...
echo "$@" >> {log}
[ "$1" = install ] || exit 0
shift 4
for package in "$@"; do
  [ -e {packages}/"$package" ] || {{ echo "E: Unable to locate package $package" >&2; exit 100; }}
done
for package in "$@"; do
  program="{bin}/$({cat} {packages}/"$package")"
  printf '#!{bash}\\n{cat} {packages}/%s.output 2>{null} || true\\n' "$package" > "$program"
  {chmod} +x "$program"
done
"""


class Machine:
    """A machine of a release without the programs; run() runs the script on it."""

    def __init__(self, folder, release, output, user_id=0):
        self._bin, self._packages, self._log = (folder / name for name in ("bin", "pkg", "log"))
        self._bin.mkdir()
        self._packages.mkdir()
        for tool in TOOLS:
            (self._bin / tool).symlink_to(shutil.which(tool))
        for package, program in release.items():
            (self._packages / package).write_text(program)
            if package in output:
                (self._packages / f"{package}.output").write_text(output[package] + "\n")
        values = {tool: shutil.which(tool) for tool in ("bash", "cat", "chmod")}
        for name, text in (("apt-cache", APT_CACHE), ("apt-get", APT_GET),
                           ("id", f"#!{values['bash']}\necho {user_id}\n"),
                           ("uname", f"#!{values['bash']}\n"
                                     '[ "$1" = -m ] && echo x86_64 || echo Linux\n')):
            text = text if name in ("id", "uname") else text.format(
                **values, packages=self._packages, log=self._log, bin=self._bin, null=os.devnull)
            (self._bin / name).write_text(text)
            (self._bin / name).chmod(0o755)

    def install(self, *packages):
        """Install packages before the script runs."""
        subprocess.run([self._bin / "apt-get", "install", "-y", "-qq", "--no-install-recommends",
                        *packages], check=True, timeout=600)

    def run(self, purpose="test", ci=""):
        """Return (exit code, what it printed)."""
        done = subprocess.run(
            [self._bin / "bash", SCRIPT, purpose], capture_output=True, text=True, check=False,
            timeout=600, env={"PATH": str(self._bin), "IDROSERRA_SBIN": "", "CI": ci})
        assert done.stderr == ""
        return done.returncode, done.stdout

    @property
    def installed(self):
        """The packages that were installed."""
        commands = self._log.read_text().splitlines() if self._log.exists() else []
        return {word for command in commands if command.startswith("install")
                for word in command.split()[4:]}


def test_debian_13_has_everything_and_a_second_run_does_nothing(tmp_path):
    machine = Machine(tmp_path, DEBIAN_13, NEW)
    assert machine.run(ci="true") == (0, (
        "idroserra: installing Debian packages: mosquitto influxdb victoria-metrics "
        "chromium-headless-shell promtool rabbitmq-server openssh-server (about a minute, "
        "once)\n"))
    assert machine.run(ci="true") == (0, "")


def test_a_whole_chromium_gets_its_faster_shell_beside_it(tmp_path):
    machine = Machine(tmp_path, DEBIAN_13, NEW)
    machine.install("mosquitto", "influxdb", "victoria-metrics", "chromium", "promtool",
                    "rabbitmq-server", "openssh-server")
    assert machine.run(ci="true") == (0, (
        "idroserra: installed the Debian package chromium-headless-shell, which is faster\n"))
    assert machine.run(ci="true") == (0, "")


def test_a_whole_chromium_serves_where_its_shell_cannot_be_had(tmp_path):
    machine = Machine(tmp_path, DEBIAN_12, NEW)
    machine.install(*DEBIAN_12)
    assert machine.run(ci="true") == (0, "")
    assert machine.run() == (0, "")


def test_debian_12_has_promtool_in_prometheus_and_three_programs_are_too_old(tmp_path):
    machine = Machine(tmp_path, DEBIAN_12, OLD)
    code, text = machine.run()
    assert code == 0
    assert machine.installed == set(DEBIAN_12)
    assert "mosquitto 2.0.11 is too old for one test, which needs 2.0.15" in text
    assert "victoria-metrics is too old" in text
    assert "rabbitmq-server 3.10.8 is too old for the tests of a cluster" in text
    assert "tests that need them are skipped, and listed at the end" in text


def test_ubuntu_has_no_chromium_that_tests_can_start(tmp_path):
    machine = Machine(tmp_path, UBUNTU_24_04, NEW)
    code, text = machine.run()
    assert code == 0
    assert machine.installed == set(UBUNTU_24_04) - {"chromium-browser"}
    assert "not installed: chromium\n" in text
    assert "playwright install --with-deps chromium" in text


@pytest.mark.parametrize("output", [OLD, NEW])
def test_under_ci_nothing_may_be_missing_or_too_old(tmp_path, output):
    release = DEBIAN_12 if output is OLD else UBUNTU_24_04
    code, text = Machine(tmp_path, release, output).run(ci="true")
    assert code == 1
    assert "under CI=true no test is skipped" in text


def test_without_root_it_says_what_to_install(tmp_path):
    machine = Machine(tmp_path, DEBIAN_12, NEW, user_id=1000)
    code, text = machine.run()
    assert code == 0
    assert machine.installed == set()
    assert "sudo apt-get install promtool, or prometheus" in text


def test_the_demo_continues_without_mosquitto(tmp_path):
    code, text = Machine(tmp_path, DEBIAN_12, NEW, user_id=1000).run("demo")
    assert code == 0
    assert "not installed: mosquitto" in text
    assert "the demo continues" in text


@pytest.fixture
def lacking(tmp_path):
    """Return (exit code, output) of a run of two tests whose programs this machine lacks."""
    file = tmp_path / "test_lacking.py"
    file.write_text(
        "from support.programs import program, program_since\n"
        "def test_none(): program('no-such-program')\n"
        f"def test_old(): program_since({shutil.which('git')!r}, (99, 1), '--version')\n"
        "def test_new(): program_since('git', (1, 0), '--version')\n")
    tests = SCRIPT.parents[1] / "tests"

    def run(ci):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c",
             tests.parent / "pyproject.toml", f"--confcutdir={tests}", "-p", "conftest", file],
            capture_output=True, text=True, check=False, timeout=600, cwd=tmp_path,
            env=os.environ | {"CI": ci, "PYTHONPATH": str(tests), "PYTEST_ADDOPTS": ""})
        return done.returncode, done.stdout

    return run


def test_without_a_program_tests_are_skipped_and_listed_at_the_end(lacking):
    code, text = lacking(ci="")
    assert code == 0
    assert "1 passed, 2 skipped" in text
    assert "1 tests: no-such-program is not installed" in text
    assert "is too old, 99.1 is needed" in text
    assert "`sudo .ci/machine test` installs" in text


def test_under_ci_a_missing_program_is_a_failure(lacking):
    code, text = lacking(ci="true")
    assert code == 1
    assert "1 passed" in text
    assert "2 failed" in text

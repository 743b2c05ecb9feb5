"""A machine's clock and constants for tests of users and sessions."""

from idroserra.auth.clock import Uptime
from idroserra.auth.service import Visitor

PASSWORD = "a sentence for the tests"
OTHER = "another sentence for them"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HERE = Visitor("127.0.0.1", "tests")


class Clock:
    """The wall clock of a machine, and its uptime, which cannot be set."""

    def __init__(self):
        self.unix_ms = 1_800_000_000_000
        self._uptime = Uptime("first boot", 60_000)

    def __call__(self):
        return self.unix_ms

    def uptime(self):
        return self._uptime

    def go(self, ms):
        self.unix_ms += ms
        self._uptime = self._uptime._replace(ms=self._uptime.ms + ms)

    def restart_machine(self, off_ms):
        self.unix_ms += off_ms
        self._uptime = Uptime(f"{self._uptime.boot_id} again", 5_000)


def who(access, session_id):
    return access.authenticate(session_id, "", "127.0.0.1")


def fill_disk(access, *, is_full=True):
    """Make every write of the host fail, or none."""
    for file in (access.sessions, access.tokens, access.users, access.preferences, access.audit,
                 access.clock):
        file._database.execute(f"PRAGMA query_only={int(is_full)}")

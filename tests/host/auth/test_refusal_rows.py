"""Rows of refused requests: few for each user and minute, and the number of the others."""

import json

from idroserra.auth.audit import Audit, verify
from idroserra.auth.refusal_rows import EVERY_MS, LEFT_OUT, MOST_ROWS, RefusalRows


class Log:
    """An audit log on a clock that stands until it is moved."""

    def __init__(self, path):
        self.unix_ms = 1_800_000_000_000
        self.audit = Audit(path, lambda: self.unix_ms)
        self.refusals = RefusalRows(self.audit, lambda: self.unix_ms)

    def refuse(self, who, count):
        for _ in range(count):
            self.refusals.add(who, "command", target="idro-a", address="10.0.0.7", status=403,
                              reason="your role is viewer")

    def rows(self):
        """Return (who, action, detail) of each row, oldest first."""
        return [(row.who, row.action, json.loads(row.detail))
                for row in reversed(self.audit.newest(1_000))]


def test_each_user_has_some_rows_a_minute_and_one_with_the_number_left_out(tmp_path):
    path = tmp_path / "audit.db"
    log = Log(path)
    log.refuse("vera", MOST_ROWS + 15)
    log.refuse("otto", 1)
    row = ("vera", "command", {"status": 403})
    assert log.rows() == [row] * MOST_ROWS + [("otto", "command", {"status": 403})]
    log.unix_ms += EVERY_MS
    log.refusals.write_left_out()
    log.refusals.write_left_out()
    assert log.rows()[-1] == ("vera", LEFT_OUT, {"left_out": 15})
    newest = log.audit.newest(1)[0]
    assert (newest.address, newest.result) == ("10.0.0.7", "refused")
    log.refuse("vera", 1)
    assert log.rows()[-1] == row
    assert len(log.rows()) == MOST_ROWS + 3
    log.audit.close()
    assert verify(path)[0] == MOST_ROWS + 3


def test_a_clock_that_goes_back_or_a_stop_of_the_host_loses_no_number(tmp_path):
    log = Log(tmp_path / "audit.db")
    log.refuse("vera", MOST_ROWS + 1)
    log.unix_ms -= 1
    log.refuse("vera", MOST_ROWS + 2)
    log.refusals.end()
    assert [detail for _, action, detail in log.rows() if action == LEFT_OUT] == [
        {"left_out": 1}, {"left_out": 2}]
    log.audit.close()

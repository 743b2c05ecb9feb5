"""Notifications that waited in a backup, or in the copy of a standby."""

from contextlib import closing
from datetime import UTC, datetime

import pytest

from idroserra.alarms.notify.message import Notice
from idroserra.alarms.notify.outbox import GIVE_UP_MS, Outbox
from idroserra.backup.create import make_backup
from idroserra.backup.restore import restore
from idroserra.core.config import load_config
from idroserra.core.reasons import Reason
from idroserra.standby.folder import prepare
from idroserra.standby.replicator import Replicator
from idroserra.standby.take_over import take_over

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
NOW_UNIX_MS = int(NOW.timestamp() * 1_000)
HOUR_MS = 3_600_000


def post(folder, *ages_ms):
    """Post an alarm of each age, which waits for the phone and was sent to the desk."""
    folder.mkdir()
    with closing(Outbox(folder / "alarms.db")) as outbox:
        for age_ms in ages_ms:
            outbox.post(Notice(NOW_UNIX_MS - age_ms, "alarm", "urgent", "pH too low", "pH 3.1"),
                        ["desk", "phone"])
        outbox.mark([one._replace(state="sent", done_unix_ms=one.due_unix_ms)
                     for _, one in outbox.due(NOW_UNIX_MS)["desk"]])


def outcomes(folder):
    """Return {target: [(age_ms, state, done_unix_ms, error)]}, and what is sent next."""
    found = {"desk": [], "phone": []}
    with closing(Outbox(folder / "alarms.db")) as outbox:
        for notice, deliveries in reversed(outbox.newest(100)):
            for one in deliveries:
                found[one.target].append((NOW_UNIX_MS - notice.unix_ms, one.state,
                                          one.done_unix_ms, one.error))
        due = outbox.due(NOW_UNIX_MS + HOUR_MS)
    return found, [NOW_UNIX_MS - notice.unix_ms for notice, _ in due.get("phone", [])]


def test_a_restore_sends_no_notification_of_the_backup(tmp_path):
    """Also none of a future clock, and none of some minutes ago: the host has sent it since."""
    ages_ms = (60 * 24 * HOUR_MS, 60_000, -HOUR_MS)
    post(tmp_path / "old", *ages_ms)
    make_backup(load_config(None, {"data_dir": str(tmp_path / "old")}), tmp_path / "a.backup",
                with_keys=True, on_file=lambda *_: None)
    restore(tmp_path / "a.backup", tmp_path / "new", NOW, lambda _: None)
    found, due = outcomes(tmp_path / "new")
    assert found["phone"] == [(age_ms, "failed", NOW_UNIX_MS, Reason("backup_restored"))
                              for age_ms in ages_ms]
    assert found["desk"] == [(age_ms, "sent", NOW_UNIX_MS - age_ms, None) for age_ms in ages_ms]
    assert due == []


def test_a_standby_sends_what_its_old_copy_holds_of_the_last_day(tmp_path):
    """The host that died may not have sent it, and nothing else says what happened."""
    ages_ms = (GIVE_UP_MS + 1, GIVE_UP_MS - 1, 2 * HOUR_MS)
    post(tmp_path / "old", *ages_ms)
    copies = tmp_path / "copies"
    copies.mkdir()
    prepare(tmp_path / "old", is_followed=True)
    replicator = Replicator(
        load_config(None, {"data_dir": str(tmp_path / "old"),
                           "standby": {"url": copies.as_uri()}}),
        lambda: NOW_UNIX_MS - HOUR_MS, pytest.fail)
    replicator.step()
    replicator.close()
    (tmp_path / "new").mkdir()
    done = take_over(copies, tmp_path / "new", NOW, lambda _: None, "test")
    assert done.age_ms == HOUR_MS
    found, due = outcomes(tmp_path / "new")
    assert [state for _, state, _, _ in found["phone"]] == ["failed", "waiting", "waiting"]
    assert due == list(ages_ms[1:])

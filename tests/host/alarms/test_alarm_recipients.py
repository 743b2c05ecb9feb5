"""Recipients of notices that come and go while the host runs."""

import sqlite3
from contextlib import closing

import pytest

from idroserra.alarms.notify.targets import open_targets
from idroserra.core.config import AlarmTarget
from idroserra.core.errors import ConfigError, StoreUnavailable
from idroserra.core.validation import validate
from support.alarm_rig import MINUTE_MS, AlarmRig
from support.notice_receiver import NoticeReceiver


class Leaving(NoticeReceiver):
    """A recipient that is removed on the page while the second notice is sent to it."""

    requests = 0

    @property
    def status(self):
        self.requests += 1
        if self.requests > 2:
            self.remove()
        return 500

    @status.setter
    def status(self, value):
        """It refuses everything."""


def test_a_recipient_removed_while_it_fails_is_no_alarm_for_ever(tmp_path):
    recipient = Leaving()
    rig = AlarmRig(tmp_path, config={"targets": [{"name": "phone", "url": recipient.url()}]})
    recipient.remove = lambda: rig.dispatcher.use({})
    rig.add_event("idro-0", "latched", reason={"code": "latch_no_effect", "values": {}})
    rig.step(5 * MINUTE_MS, 5_000)
    recipient.close()
    rig.close()
    assert recipient.requests > 2
    assert rig.dispatcher.undelivered() == {}


class Busy(NoticeReceiver):
    """A recipient that fails; meanwhile somebody enters another address on the page."""

    @property
    def status(self):
        with pytest.raises(ConfigError):
            open_targets([validate({"name": "new", "url": "nosuch://0therSecret"}, AlarmTarget)])
        return 500

    @status.setter
    def status(self, value):
        """It refuses everything."""


def test_the_address_of_one_recipient_is_not_in_the_error_of_another(tmp_path):
    recipient = Busy()
    rig = AlarmRig(tmp_path, config={"targets": [{"name": "phone", "url": recipient.url()}]})
    rig.scheduler.test("anna", rig.now_unix_ms)
    rig.dispatcher.step()
    said = str(rig.dispatcher.status())
    recipient.close()
    rig.close()
    assert "error=500" in said
    assert "0therSecret" not in said


@pytest.mark.parametrize("is_restarted", [False, True])
def test_notices_without_a_recipient_delay_no_later_one(tmp_path, receiver, is_restarted):
    rig = AlarmRig(tmp_path, count=4, config={"targets": [
        {"name": "phone", "url": receiver.url(), "from_priority": "high"}]})
    for node, for_min in (("idro-0", 4), ("idro-1", 11), ("idro-2", 4)):
        rig.fail(node, air__rh_pct="crc")  # of medium priority
        rig.step(for_min * MINUTE_MS, 5_000)
    assert [deliveries for _, deliveries in rig.outbox.newest(9)] == [[], [], []]
    if is_restarted:
        rig.restart()
    rig.add_event("idro-3", "latched", reason={"code": "latch_no_effect", "values": {}})
    rig.step(MINUTE_MS, 5_000)
    rig.close()
    assert len(receiver.messages) == 1


def test_what_cannot_be_read_of_a_delivery_is_unknown(tmp_path, receiver):
    rig = AlarmRig(tmp_path, config={"targets": [{"name": "phone", "url": receiver.url()}]})
    rig.scheduler.test("anna", rig.now_unix_ms)
    rig.dispatcher.step()
    [known] = rig.dispatcher.status()["targets"]
    assert (rig.dispatcher.status()["unknown"], known["sent_unix_ms"]) == ("", rig.now_unix_ms)
    with closing(sqlite3.connect(tmp_path / "alarms.db")) as other:
        other.execute("ALTER TABLE deliveries RENAME TO away")
    found = rig.dispatcher.status()
    assert found["unknown"] == "alarms.db: no such table: deliveries"
    assert found["targets"] == [known | {"sent_unix_ms": None}]
    assert found["notices"] == []
    with pytest.raises(StoreUnavailable):
        rig.dispatcher.notices()
    rig.close()

"""The short variant of `make campaign-forged`: forged messages have no effect."""

import pytest

from campaigns.forged.attacker import ATTACKS, STORED_ATTACKS
from campaigns.forged.forged import campaign, stored_campaign
from campaigns.forged.target import Target
from support.wait import wait_until

EACH = 2


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    with Target(tmp_path_factory.mktemp("forged"), seed=3) as running:
        yield running


def test_forged_replayed_late_foreign_and_retained_commands_move_no_pin(target):
    kinds, wrong = campaign(target, EACH * len(ATTACKS), seed=6)
    assert wrong == []
    assert kinds == dict.fromkeys(ATTACKS, EACH)
    assert target.relay.flagged_count == EACH
    wait_until(lambda: any(record["detail"]["reason"]["code"] in ("message_ignored", "unsigned")
                           for record in target.events if record["kind"] == "refused"),
               20, "the node reports that it ignored a message")


def test_forged_replayed_and_stale_down_stored_erase_nothing_and_move_no_clock(target):
    assert stored_campaign(target, 1) == (len(STORED_ATTACKS), [])

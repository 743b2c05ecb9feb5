"""The short variant of `make campaign-forged`: forged commands move no pin."""

import pytest

from campaigns.forged.attacker import ATTACKS
from campaigns.forged.forged import campaign
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
    wait_until(lambda: any("a message was ignored" in record["detail"].get("reason", "")
                           for record in target.events if record["kind"] == "refused"),
               20, "the node reports that it ignored a message")

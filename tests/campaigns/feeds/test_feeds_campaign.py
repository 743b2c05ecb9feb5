"""The short variant of `make campaign-feeds`."""

import random

from campaigns.feeds.feeds import FedHost, delays_s, disturb_in_turn, is_bad, is_held_up


def test_store_and_feeds_lose_nothing_while_each_is_disturbed_in_turn(tmp_path):
    with FedHost(tmp_path / "host") as host:
        faults = disturb_in_turn(host, random.Random(3), 20)
        outcome = host.finish(faults)
    assert not is_bad(outcome), outcome
    assert outcome.faults.total() >= 3


def test_the_store_does_not_wait_for_feeds_that_take_nothing(tmp_path):
    assert not is_held_up(*delays_s(tmp_path, 4))

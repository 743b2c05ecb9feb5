"""A release through a fleet: whatever nodes do, one canary first, one of a site, none after one
went back."""

import sqlite3
from contextlib import closing
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import Locale, use_locale
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.node import Node
from idroserra.updates import node_progress, rollout_policy
from idroserra.updates.database import NodeUpdate, Rollout, RolloutDatabase
from idroserra.updates.describe import journal_note
from idroserra.updates.rollout_policy import NodeProgress, RolloutPlan, decide

NOW = 1_795_507_200_000
WATCH_MS = 3_600_000
WHY = Reason("memory_low", free_kb=12)


def seen(node, state=rollout_policy.WAITING, **more):
    return NodeProgress(
        node, more.pop("site", node), state, more.pop("state_unix_ms", NOW), **more
    )


def plan(wave_nodes=2, per_site=1):
    return RolloutPlan(wave_nodes, WATCH_MS, per_site)


def confirmed(node, wave, quiet_ago_ms=WATCH_MS, **more):
    return seen(
        node, rollout_policy.CONFIRMED, wave=wave, quiet_unix_ms=NOW - quiet_ago_ms, **more
    )


def test_one_canary_is_first():
    nodes = [seen("a", obstacle=Reason("node_away")), seen("b"), seen("c")]
    decision = decide(plan(), nodes, NOW)
    assert decision.offer == ("b",)
    assert decision.wave == 0


def test_the_first_wave_waits_until_the_canary_was_watched():
    nodes = [confirmed("a", 0, WATCH_MS - 60_000), seen("b"), seen("c"), seen("d")]
    decision = decide(plan(), nodes, NOW)
    assert decision.offer == ()
    assert decision.waits == Reason(
        "of_node", node="a", why=Reason("release_watched", left_ms=60_000))
    decision = decide(plan(), nodes, NOW + 60_000)
    assert (decision.offer, decision.wave) == (("b", "c"), 1)


def test_an_alarm_on_the_wave_holds_the_next_one():
    alarmed = seen("b", rollout_policy.CONFIRMED, wave=1, quiet_unix_ms=None)
    decision = decide(plan(), [confirmed("a", 0), alarmed, seen("c")], NOW)
    assert decision.offer == ("c",)  # the wave of two has room for it
    decision = decide(plan(wave_nodes=1),
                  [confirmed("a", 0), alarmed, seen("c")], NOW)
    assert decision.offer == ()
    assert decision.waits.values["why"] == Reason("alarm_new")


def test_one_that_goes_back_stops_it_all():
    nodes = [
        confirmed("a", 0),
        seen("b", rollout_policy.REVERTED, wave=1, reason=WHY),
        seen("c"),
    ]
    assert decide(plan(), nodes, NOW).stop == Reason(
        "node_reverted_by", node="b", why=WHY)


def test_one_that_is_lost_stops_it_all():
    nodes = [seen("a", rollout_policy.LOST, wave=0), seen("c")]
    assert decide(plan(), nodes, NOW).stop == Reason("trial_lost_node", node="a")


def test_a_refusal_is_asked_again_later_and_then_left_out():
    refused = seen("a", wave=0, offers=1, reason=Reason("dose_running"))
    assert decide(plan(), [refused], NOW).offer == ()
    assert decide(plan(), [refused], NOW + rollout_policy.AGAIN_MS).offer == ("a",)
    over = [confirmed("a", 0), seen("b", rollout_policy.REFUSED, wave=1)]
    assert decide(plan(), over, NOW).is_finished


@st.composite
def fleets(draw):
    count = draw(st.integers(1, 9))
    nodes = []
    for index in range(count):
        state = draw(
            st.sampled_from(
                [*rollout_policy.STATES, rollout_policy.WAITING, rollout_policy.WAITING]
            )
        )
        wave = draw(st.integers(0, 3)) if state != rollout_policy.WAITING else draw(
            st.sampled_from([None, 0]))
        nodes.append(NodeProgress(
            f"n{index}", draw(st.sampled_from(["s1", "s2"])), state,
            NOW - draw(st.integers(0, 7_200_000)), draw(st.sampled_from(["", "", "offline"])),
            wave, draw(st.sampled_from([None, NOW, NOW - WATCH_MS, NOW - 2 * WATCH_MS])),
            draw(st.integers(0, 2))))
    wished = RolloutPlan(draw(st.integers(1, 4)), WATCH_MS, draw(st.integers(1, 2)))
    return wished, nodes


@settings(max_examples=600, deadline=None)
@given(fleets())
def test_whatever_a_fleet_does_the_rules_hold(fleet):
    wished, nodes = fleet
    decision = decide(wished, nodes, NOW)
    by_name = {one.node: one for one in nodes}
    if any(one.state in rollout_policy.FAILED for one in nodes):
        assert decision.stop
        assert decision.offer == ()
        return
    assert not decision.stop
    offered = [by_name[name] for name in decision.offer]
    assert all(one.state == rollout_policy.WAITING and not one.obstacle for one in offered)
    under_way = [one for one in nodes if one.state in rollout_policy.UNDER_WAY] + offered
    for site in {one.site for one in offered}:
        assert sum(one.site == site for one in under_way) <= wished.per_site
    if not any(one.state == rollout_policy.CONFIRMED for one in nodes):
        assert len(offered) <= 1
        if offered:
            assert not any(one.state in rollout_policy.UNDER_WAY and one.wave is not None
                           for one in nodes)
    if offered and decision.wave > max((one.wave or 0 for one in nodes if one.wave is not None),
                                   default=0):
        assert all(
            one.quiet_unix_ms is not None and NOW - one.quiet_unix_ms >= WATCH_MS
            for one in nodes
            if one.state == rollout_policy.CONFIRMED and one.wave == decision.wave - 1
        )
    assert bool(decision.offer) + decision.is_finished + bool(decision.waits) == 1


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_fleet_comes_to_an_end(data):
    """Nodes that confirm, refuse or go back at will: it finishes or stops, never stands still."""
    count = data.draw(st.integers(1, 6))
    names = [f"n{i}" for i in range(count)]
    wished = RolloutPlan(data.draw(st.integers(1, 3)), WATCH_MS, 1)
    nodes = {name: seen(name, site=data.draw(st.sampled_from(["s1", "s2"])))
             for name in names}
    now, given_to = NOW, []
    for _ in range(200):
        decision = decide(wished, list(nodes.values()), now)
        if decision.stop or decision.is_finished:
            break
        for name in decision.offer:
            given_to.append(name)
            end = data.draw(
                st.sampled_from(
                    [rollout_policy.CONFIRMED] * 6
                    + [rollout_policy.REFUSED, rollout_policy.REVERTED]
                )
            )
            nodes[name] = NodeProgress(name, nodes[name].site, end, now, "", decision.wave,
                               now if end == rollout_policy.CONFIRMED else None)
        now += WATCH_MS
    else:
        raise AssertionError(f"it never ended: {decision}")
    assert len(set(given_to)) == len(given_to)
    if decision.stop:
        assert any(one.state == rollout_policy.REVERTED for one in nodes.values())
    else:
        assert set(given_to) == set(names)


RELEASE = "ab" * 32


def followed(state, *kinds, running=None, online=True, since_ms=0, **more):
    """Return the progress of a node in `state` after these events."""
    events = LatestEvents(None, lambda: NOW)
    for index, kind in enumerate(kinds):
        events.take("a", (NOW + index) * 1_000, kind, {
            "release": RELEASE[:16], "reason": WHY.as_json()})
    info = protocol.Info("1", "b", "c", "d", 0, None, "none", "", "", (), {}, (), False, 100, 0,
                         running or protocol.AS_FLASHED, protocol.UNKNOWN_SYSTEM)
    way = NodeUpdate("r", "a", state, NOW - since_ms, wave=0, offered_unix_ms=NOW - since_ms,
                     heard_unix_ms=NOW - since_ms, **more)
    return node_progress.apply_events(way, RELEASE, Node("a", "s", online, info=info), events, NOW)


def test_a_node_that_did_not_answer_an_offer_rests_too():
    silent = seen("a", wave=0, reason=Reason("broker_unreachable"))
    assert decide(plan(), [silent], NOW + 1_000).offer == ()
    assert decide(plan(), [silent], NOW + rollout_policy.AGAIN_MS).offer == ("a",)


def test_a_node_is_followed_by_what_it_tells():
    assert followed(rollout_policy.OFFERED, "update_offered").state == rollout_policy.DOWNLOADING
    assert (
        followed(rollout_policy.DOWNLOADING, "update_downloaded", "update_trial").state
        == rollout_policy.TRIAL
    )
    assert followed(rollout_policy.TRIAL, "update_confirmed").state == rollout_policy.CONFIRMED
    gone = followed(rollout_policy.TRIAL, "update_reverted")
    assert (gone.state, gone.reason) == (rollout_policy.REVERTED, WHY)
    late = followed(rollout_policy.TRIAL, "update_downloaded")
    assert late.state == rollout_policy.TRIAL  # old news


def test_what_a_node_says_it_runs_counts_where_no_event_came():
    on_trial = protocol.RunningRelease("a", "trial", RELEASE, 1, 1)
    assert followed(rollout_policy.DOWNLOADED, running=on_trial).state == rollout_policy.TRIAL
    assert (
        followed(rollout_policy.LOST, running=on_trial._replace(state="ok")).state
        == rollout_policy.CONFIRMED
    )
    assert followed(rollout_policy.TRIAL, since_ms=3_600_000).state == rollout_policy.REVERTED
    assert (
        followed(rollout_policy.TRIAL, since_ms=3_600_000, online=False).state
        == rollout_policy.TRIAL
    )


def test_a_refusal_counts_also_once_all_of_it_is_there():
    refused = followed(rollout_policy.DOWNLOADED, "update_refused")
    assert (refused.state, refused.offers, refused.reason) == (rollout_policy.WAITING, 1, WHY)
    third = followed(
        rollout_policy.DOWNLOADED, "update_refused", offers=rollout_policy.MOST_OFFERS - 1
    )
    assert third.state == rollout_policy.REFUSED


def test_a_node_that_does_not_come_back_is_lost():
    way = NodeUpdate("r", "a", rollout_policy.TRIAL, NOW, heard_unix_ms=NOW)
    assert (
        node_progress.apply_timeout(way, NOW + rollout_policy.BACK_MS, 1, 1).state
        == rollout_policy.TRIAL
    )
    assert (
        node_progress.apply_timeout(way, NOW + rollout_policy.BACK_MS + 1, 1, 1).state
        == rollout_policy.LOST
    )
    after_an_outage = NOW + 10 * rollout_policy.BACK_MS  # the broker has not answered yet
    assert node_progress.apply_timeout(
        way, after_an_outage, 1, 1, began_unix_ms=after_an_outage).state == rollout_policy.TRIAL
    silent = NodeUpdate("r", "a", rollout_policy.DOWNLOADING, NOW, heard_unix_ms=NOW)
    assert (
        node_progress.apply_timeout(silent, NOW + 601_000, 120_000, 600_000).state
        == rollout_policy.WAITING
    )


def test_the_journal_is_in_the_language_of_who_started_the_roll_out():
    reason = Reason("memory_low", free_kb=18)
    update = NodeUpdate("r", "a", "reverted", NOW, reason)
    for language in ("en", "it"):
        rollout = Rollout("r", RELEASE, "2.0", "esp32/reservoir", ("a",), 2, WATCH_MS, 1, "anna",
                          NOW, "stopped", NOW, WHY, language)
        with use_locale(Locale(language)):
            words = reason_text(reason)
        assert words in journal_note(update, rollout)
        assert journal_note(replace(update, state="downloading"), rollout) == ""


def test_sentences_of_an_earlier_version_become_reasons_once(tmp_path):
    path = tmp_path / "state.db"
    rollout = Rollout(
        "r", RELEASE, "2.0", "esp32/reservoir", ("a",), 2, WATCH_MS, 1, "anna", NOW, "stopped",
        NOW, WHY)
    with closing(RolloutDatabase(path)) as database:
        database.save_rollout(rollout, {"a": NodeUpdate("r", "a", "reverted", NOW, WHY)})
        assert (database.rollouts(), database.nodes("r")["a"].reason) == ([rollout], WHY)
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("UPDATE rollouts SET reason = 'a reverted: low heap'")
        old.execute("UPDATE node_updates SET reason = ''")
        old.execute("ALTER TABLE rollouts DROP COLUMN language")
        old.execute("DELETE FROM versions")
    for _ in range(2):
        with closing(RolloutDatabase(path)) as database:
            [found] = database.rollouts()
            assert found.reason == Reason("sentence", detail="a reverted: low heap")
            assert database.nodes("r")["a"].reason is None

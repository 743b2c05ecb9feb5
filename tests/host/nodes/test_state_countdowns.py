"""Countdowns in the state of a node run with the clock and end."""


import pytest

from idroserra.core.reasons import REASONS, Reason
from idroserra.i18n.translate import LANGUAGES, Locale, use_locale
from idroserra.node_state.state import state_of
from idroserra.nodes.dosing_state import dosing_json
from idroserra.nodes.state_text import state_json, state_text
from support.host_without_broker import HostWithoutBroker
from support.node_inputs import BEFORE, MINUTE_MS, NOW, WELL, decided, made_up

COUNTED = [code for code, row in REASONS.items() if "left_ms" in row.values
           and row.severity != "ok"]


def test_until_counts_down_from_the_report():
    reason = Reason("ph_low_blocked", why=Reason("gap", actuator="ph_down", left_ms=240_000))
    state = state_of(decided(reason)(WELL))
    assert (state.since_unix_ms, state.until_unix_ms) == (BEFORE, BEFORE + 240_000)
    assert "3 min" in state_text(state, NOW)
    assert "3 min" in state_text(state, NOW + 30_000)
    assert "50 s" in state_text(state, NOW + 135_000)
    assert "10 s" in state_text(state, BEFORE + 239_000)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", COUNTED)
def test_a_countdown_disappears_at_its_end(code, language):
    """The node reports a decision again only if it changes, so its time left may be long over."""
    reason = made_up(code, REASONS)
    state = state_of(decided(Reason("ph_low_blocked", why=reason))(WELL))
    with use_locale(Locale(language)):
        before = state_json(state, NOW, "idro-a")
        assert before["until_unix_ms"] == BEFORE + 600_000
        assert "9" in before["text"]
        after = state_json(state, BEFORE + 600_000, "idro-a")
        assert after["until_unix_ms"] is None
        assert after["code"] == state.cause.code
        assert not set("0123456789?？") & set(after["text"])
        assert "left_ms" not in after["cause"]["values"]["why"]["values"]
        for ago_ms, has_time in ((599_000, True), (600_000, False)):
            text = dosing_json(state, None, BEFORE + ago_ms)["text"]
            assert state.dosing_cause is None or ("10" in text) == has_time


def test_the_decisions_count_down_too(tmp_path):
    host = HostWithoutBroker(tmp_path)
    host.boot()
    host.read()
    host.tell("decided", Reason("mixing", left_ms=900_000), loop="ph")
    texts = []
    for _ in range(3):
        [shown] = host.views.get("idro-a")["decisions"]
        texts.append(shown["text"])
        host.unix_ms += 8 * MINUTE_MS
        host.read()
    host.close()
    assert texts == ["pH waits: the water is mixing, 15 min left",
                     "pH waits: the water is mixing, 7 min left", "pH waits: the water is mixing"]

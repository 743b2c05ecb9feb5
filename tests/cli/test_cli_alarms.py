"""`idroserra alarms` and its API: what they print and answer, and their exit codes."""

import json
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.command_line import idroserra

LATCH = "dosing_latched/idro-a"


@pytest.fixture
def ask(host):
    """ask("list"): run `idroserra alarms` against the host."""
    return lambda *words: idroserra("alarms", *words, url=host.url)


@pytest.fixture
def latched(node, host, eventually):
    """A node whose dosing is locked, and an alarm that says so."""
    node.tell("latched", {"reason": {"code": "latch_no_effect", "values": {}}})
    eventually(partial(has, host, LATCH, "unacknowledged"), 15, "the alarm")
    return node


def has(host, key, state):
    alarms = host.client.get("/api/alarms").json()["alarms"]
    return [one["state"] for one in alarms if one["key"] == key] == [state]


def test_no_alarm_is_active_without_a_fault(node, ask):
    assert ask("list").stdout == "No active alarms.\n"
    assert ask("ack", "--all").stdout == "No unacknowledged alarms.\n"
    assert ask("history").stdout == "No alarm changes in this period.\n"


def test_list_acknowledge_and_history(latched, host, ask):
    listed = ask("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "idro-a: Dosing is locked: doses had no effect" in listed.stdout
    assert LATCH in listed.stdout
    done = ask("ack", LATCH, "--comment", "new bottle on its way")
    assert (done.returncode, done.stdout) == (0, f"acknowledged: {LATCH}\n")
    assert has(host, LATCH, "acknowledged")
    found = json.loads(ask("history", "--json").stdout)
    assert [change["state"] for change in found] == ["unacknowledged", "acknowledged"]
    assert found[1]["comment"] == "new bottle on its way"
    assert found[1]["reason"] == {
        "code": "latch_no_effect", "values": {}, "text": "doses had no effect"}
    assert found[1]["by"].endswith("(cli)")
    assert "new bottle" in ask("history").stdout


def test_shelve_and_take_back(latched, host, ask):
    assert ask("shelve", LATCH, "--for", "30m").stdout == f"shelved for 30m: {LATCH}\n"
    assert has(host, LATCH, "shelved")
    assert "shelved until" in ask("list").stdout
    assert ask("unshelve", LATCH).returncode == 0
    assert has(host, LATCH, "unacknowledged")
    assert ask("take-out", LATCH, "--comment", "pump is out").returncode == 0
    assert has(host, LATCH, "out_of_service")
    assert ask("put-back", LATCH).returncode == 0


def test_a_wrong_call_is_an_error(latched, ask):
    for words, code, why in (
        (("ack", "ph_high/absent"), 1, "no active alarm ph_high/absent"),
        (("unshelve", LATCH), 1, "is not shelved"),
        (("shelve", LATCH, "--for", "soon"), 2, "such as 10m"),
        (("shelve", LATCH, "--for", "999h"), 2, "for_ms"),
        (("ack",), 2, "give alarm keys"),
    ):
        done = ask(*words)
        assert done.returncode == code, words
        assert why in " ".join(done.stderr.split()), words


def test_without_an_address_a_test_fails_and_says_so(host, ask):
    done = ask("test")
    assert done.returncode == 1
    assert "no recipients configured" in done.stderr


def test_the_figures_in_a_table(latched, ask):
    assert "max per 10 min" in ask("kpis").stdout
    [site] = json.loads(ask("kpis", "--json", "--days", "1").stdout)["sites"]
    assert (site["site"], site["told_count"]) == ("test", 1)


def test_the_api_refuses_with_a_line_that_names_the_field(host):
    for path, body, status in (
        ("acknowledge", {"keys": []}, 422), ("acknowledge", {"keys": ["a"], "x": 1}, 422),
        ("shelve", {"key": "a", "for_ms": -1}, 422),
        ("shelve", {"key": "a", "for_ms": 5_000}, 404),
        ("take-out", {"key": "a", "comment": "\n"}, 422), ("put-back", {"key": ""}, 422),
    ):
        answer = host.client.post(f"/api/alarms/{path}", json=body)
        assert answer.status_code == status, path
        assert answer.json()["error"]
    assert host.client.get("/api/alarms/history?limit=0").status_code == 422


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2**70, 2**70), st.floats(), st.text(max_size=30),
    st.sampled_from(["\ud800", LATCH, "idro-a", "ph_down", 10**9, 3_600_000, ["\ud800"], [LATCH]]),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=5), st.none()))
FIELDS = st.sampled_from(["key", "keys", "by", "comment", "for_ms"])
PATHS = {"acknowledge": "POST", "shelve": "POST", "unshelve": "POST", "take-out": "POST",
         "put-back": "POST", "test": "POST"}


@given(path=st.sampled_from(sorted(PATHS)), body=st.dictionaries(FIELDS, ODD, max_size=5))
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
def test_nonsense_is_refused_and_breaks_nothing(latched, host, path, body):
    answer = host.client.request(PATHS[path], f"/api/alarms/{path}",
                                 content=json.dumps(body, allow_nan=True),
                                 headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text
    assert answer.status_code < 400 or answer.json()["error"]


@pytest.mark.parametrize("query", [
    "history?from_unix_ms=99999999999999999999999", "history?to_unix_ms=-1", "history?limit=x",
    "history?node=%00", "kpis?days=nan", "kpis?days=inf", "kpis?days=1e-12", "kpis?days=401",
])
def test_nonsense_in_a_query_is_refused_too(host, query):
    assert host.client.get(f"/api/alarms/{query}").status_code in (200, 422)

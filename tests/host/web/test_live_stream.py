"""The live stream: numbered messages with words, replayed to a reader that was away."""

import json
import threading

import pytest

from idroserra.i18n.translate import DEFAULT_LOCALE, Locale
from idroserra.web import sse_hub
from idroserra.web.sse import REST, EventStream


def events_of(host, headers, wanted, collected):
    with host.client.stream("GET", "/api/live", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        last_id = None
        for line in answer.iter_lines():
            if line.startswith("id: "):
                last_id = line[4:]
            if line.startswith("data: "):
                message = json.loads(line[6:])
                collected.append((last_id, message))
                if message["type"] == wanted:
                    return


def follow(host, wanted, headers=None):
    """Start reading the stream until a message of type `wanted`; returns (thread, messages)."""
    collected = []
    thread = threading.Thread(
        target=events_of, args=(host, headers or {}, wanted, collected), daemon=True)
    thread.start()
    return thread, collected


def test_the_stream_tells_records_with_their_faults_in_words(host, eventually):
    node = host.node("idro-a")
    thread, messages = follow(host, "record")
    eventually(lambda: messages, 10, "the hello")
    node.read(faults={"air.rh_pct": "crc"})
    thread.join(60)
    assert messages[0][1]["type"] == "hello"
    assert messages[1][1]["type"] == "heartbeat"  # the time, before what happened
    record = messages[-1][1]
    assert record["values"]["reservoir.ph"] == 5.85
    assert "damaged response" in record["fault_texts"]["air.rh_pct"]


def test_a_reader_that_was_away_gets_what_it_missed(host, eventually):
    node = host.node("idro-a")
    thread, messages = follow(host, "record")
    eventually(lambda: messages, 10, "the hello")
    node.read()
    thread.join(60)
    last_id = messages[-1][0]
    node.tell("stopped", {"by": "anna"})
    eventually(lambda: host.view("idro-a")["dosing"]["state"] == "stopped", 10, "the event")
    thread, missed = follow(host, "event", {"Last-Event-ID": last_id})
    thread.join(60)
    assert missed[0][1]["missed"] is False
    assert missed[-1][1]["text"] == "All dosing stopped by anna."


def test_a_reader_of_an_earlier_host_run_must_reload(host, eventually):
    hub = host.app.state.feed_hub
    eventually(lambda: hub.of(DEFAULT_LOCALE)._host is not None, 10, "the first look")
    for last_id in ("nonsense", "deadbeef-5", "-1", "x" * 300):
        thread, messages = follow(host, "hello", {"Last-Event-ID": last_id})
        thread.join(60)
        assert messages[0][1]["missed"] is True
        assert "count" in messages[0][1]["alarms"]  # which no snapshot of the nodes has
        assert messages[0][1]["host"] == []


def test_a_node_that_returns_under_its_name_is_published_in_full(host, eventually):
    node = host.node("idro-a")
    thread, messages = follow(host, "gone")
    eventually(lambda: messages, 10, "the hello")
    hub = host.app.state.feed_hub
    eventually(lambda: "idro-a" in hub.of(DEFAULT_LOCALE)._shape, 10, "the first look")
    node.close()
    host.service.commands.forget("idro-a")
    thread.join(60)
    assert messages[-1][1] == {"type": "gone", "node": "idro-a"}
    thread, messages = follow(host, "node", {"Last-Event-ID": messages[-1][0]})
    host.node("idro-a")
    thread.join(60)
    assert {"state", "channels", "dosing"} <= messages[-1][1]["changes"].keys()


def test_nothing_is_compared_for_no_reader(host, eventually, monkeypatch):
    hub = host.app.state.feed_hub
    host.node("idro-a").read()
    assert hub._streams == {}
    thread, messages = follow(host, "record")
    eventually(lambda: messages, 10, "the hello")
    stream = hub.of(DEFAULT_LOCALE)
    hub._end_unread()
    assert hub.of(DEFAULT_LOCALE) is stream
    host.node("idro-a").read()
    thread.join(60)
    eventually(lambda: not stream.readers, 10, "the end of the reader")
    monkeypatch.setattr(sse_hub, "KEPT_S", -1.0)
    hub._loop.call_soon_threadsafe(hub._end_unread)
    eventually(lambda: stream.has_ended, 10, "the end of the stream")
    assert hub._streams == {}


def test_an_open_stream_does_not_hold_up_the_end(host, eventually):
    _, messages = follow(host, "never")
    eventually(lambda: messages, 10, "the hello")  # the fixture asserts that stop() is quick


def test_a_stream_that_fails_ends_its_readers_and_starts_again(host, eventually, monkeypatch,
                                                               caplog):
    node = host.node("idro-a")
    thread, messages = follow(host, "never")
    eventually(lambda: messages, 10, "the hello")
    with monkeypatch.context() as broken:
        broken.setattr("idroserra.web.sse.sites_of", lambda nodes: nodes["no such thing"])
        eventually(lambda: not thread.is_alive(), 30, "the end of the broken stream")
    eventually(lambda: "the live stream failed" in caplog.text, 10, "why")
    last_id = messages[-1][0]
    eventually(lambda: hello_after(host, last_id)["missed"], 30, "a new stream")
    thread, messages = follow(host, "record")
    eventually(lambda: messages, 10, "the hello")
    node.read()
    thread.join(60)
    assert messages[-1][1]["type"] == "record"


def hello_after(host, last_id):
    thread, messages = follow(host, "hello", {"Last-Event-ID": last_id})
    thread.join(60)
    return messages[0][1]


@pytest.mark.parametrize("path", ["/account", "/api/nodes"])
def test_a_state_between_two_comparisons_does_not_stay_on_a_page(host, eventually, path):
    node = host.node("idro-a")
    node.read()
    eventually(lambda: host.view("idro-a")["state"]["level"] != "bad", 10, "a good state")
    hub = host.app.state.feed_hub
    stream = EventStream(hub._context, "")  # compares when we say so
    hub._streams[Locale("it")] = stream
    stream._changes()
    node.publish_raw("status", b"offline")
    eventually(lambda: not host.view("idro-a")["online"], 10, "the node offline")
    page = host.client.get(path, headers={"Accept-Language": "it"})
    assert '"online":false' in page.text
    node.publish_raw("status", b"online")
    eventually(lambda: host.view("idro-a")["online"], 10, "the node online")
    changes = {one["type"]: one for one in stream._changes()}
    assert changes["node"]["changes"]["online"] is True
    assert "title" not in changes["node"]["changes"]  # which the page shows rightly
    assert changes["sites"]["sites"][0]["level"] != "bad"


def test_the_streams_of_many_locales_share_the_time_of_one(host):
    hub = host.app.state.feed_hub
    streams = [hub.of(Locale(language, ec)) for language in ("en", "it", "zh")
               for ec in ("mS/cm", "uS/cm", "ppm500")]
    assert len(set(streams)) == len(hub._streams) == 9
    for stream in streams:  # together a third of a thread, as one alone
        assert 9 / (1 + stream.rest_s(1.0)) < 1 / REST

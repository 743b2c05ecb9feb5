"""Reading through the API: nodes, history and events that came in over MQTT, and bad questions."""

import time
import tracemalloc

import pytest

from idro.protocol.reason import Reason
from idroserra.history.models import EventPoint

DAY_MS = 86_400_000


def now_unix_ms():
    return time.time_ns() // 1_000_000


def test_a_node_shows_readings_bands_and_its_state(host, eventually):
    node = host.node("idro-a")
    node.live(3)
    eventually(lambda: host.view("idro-a")["state"]["level"] == "ok", 10, "the newest record")
    view = host.view("idro-a")
    ec = view["channels"]["reservoir.ec_us_cm"]
    assert (ec["value"], ec["unit"], ec["fault"]) == (1590, "uS/cm", None)
    assert ec["band"] == {"low": 1520, "high": 1680}
    assert ec["display"] == {
        "label": "EC", "unit": "mS/cm", "factor": 0.001, "decimals": 2, "place": "tile",
        "notable": 15, "offset": 0}
    assert view["stale_after_ms"] == 180_000
    assert view["dosing"]["state"] == "on"
    assert view["state"]["level"] == "ok"
    assert list(view["outputs"])[:2] == ["ph_down", "ph_up"]
    assert [n["node"] for n in host.client.get("/api/nodes").json()["nodes"]] == ["idro-a"]


def test_a_fault_is_a_sentence_and_never_a_number(host, eventually):
    node = host.node("idro-a")
    node.read(faults={"air.temp_c": "no_ack"})
    eventually(lambda: host.view("idro-a")["channels"]["air.temp_c"]["fault"] == "no_ack",
               10, "the fault")
    view = host.view("idro-a")
    assert view["channels"]["air.temp_c"]["value"] is None
    assert "does not respond on its bus" in view["channels"]["air.temp_c"]["fault_text"]
    assert view["state"]["level"] == "bad"
    assert view["state"]["text"].startswith("Air temperature has no reading: the sensor does not")


def test_an_offline_node_is_bad_news_and_not_green(host, eventually):
    node = host.node("idro-a")
    node.live()
    eventually(lambda: host.view("idro-a")["state"]["level"] == "ok", 10, "a good state")
    node.leave()
    eventually(lambda: not host.view("idro-a")["online"], 60, "the last will")
    view = host.view("idro-a")
    assert view["state"]["level"] == "bad"
    assert view["state"]["code"] == "no_contact"
    assert view["dosing"]["level"] != "ok"
    assert view["dosing"]["state"] == "unknown"


def test_a_node_that_may_dose_has_no_reason_of_before_it_might(host, eventually):
    node = host.node("idro-a")
    node.tell("decided", {"loop": "ph", "reason": Reason("dosing_off").as_json()})
    node.tell("decided", {"loop": "ec", "reason": Reason(
        "ec_in_band", ec_us_cm=1_590, target_us_cm=1_600).as_json()})
    node.live()

    def decided():
        return [one["loop"] for one in host.view("idro-a")["decisions"]]

    eventually(lambda: "ec" in decided(), 10, "what was decided")
    assert host.view("idro-a")["dosing"]["state"] == "on"
    assert decided() == ["ec"]


def test_history_comes_in_columns_and_gaps_stay_gaps(host):
    node = host.node("idro-a")
    for minutes_ago in (50, 49, 48, 10, 9):
        node.read({"reservoir.ph": 5.5 + minutes_ago / 100}, ago_ms=minutes_ago * 60_000)
    host.settle("idro-a", 5)
    to = now_unix_ms()
    answer = host.client.get("/api/nodes/idro-a/series", params={
        "channels": "reservoir.ph,reservoir.level_mm", "from_unix_ms": to - 3_600_000,
        "to_unix_ms": to, "columns": 60}).json()
    columns = answer["series"]["reservoir.ph"]
    assert 3 <= len(columns) <= 5  # where the columns begin decides
    assert all(low <= mean <= high for _, low, mean, high in columns)
    steps = [later[0] - earlier[0] for earlier, later in zip(columns, columns[1:], strict=False)]
    assert max(steps) >= 35 * 60_000
    assert [column[1] for column in answer["series"]["reservoir.level_mm"]] == [203] * len(columns)


def test_events_say_what_and_why(host):
    node = host.node("idro-a")
    node.tell("dosed", {"actuator": "ph_down", "volume_ul": 2_500, "on_ms": 2_500,
                        "reason": Reason("ph_turn").as_json(), "by": "control"}, 60_000)
    node.tell("refused", {"actuator": "ph_down", "by": "control", "reason": Reason(
        "channel_stale", channel="reservoir.ph").as_json()}, 30_000)
    host.settle("idro-a", 2)
    to = now_unix_ms() + 1_000
    path = "/api/nodes/idro-a/events"
    span = {"from_unix_ms": to - DAY_MS, "to_unix_ms": to}
    answer = host.client.get(path, params=span).json()
    assert [event["text"] for event in answer["events"]] == [
        "pH down, 2.50 ml given: this time pH comes first",
        "pH down refused: pH has no recent reading"]
    assert [event["reason"]["code"] for event in answer["events"]] == ["ph_turn", "channel_stale"]
    only = host.client.get(path, params=span | {"kinds": "refused"}).json()["events"]
    assert [event["kind"] for event in only] == ["refused"]
    newest = host.client.get(path, params=span | {"limit": 1}).json()
    assert [event["kind"] for event in newest["events"]] == ["refused"]
    assert newest["has_older"]
    assert not answer["has_older"]


@pytest.mark.usefixtures("any_number_of_events")
def test_many_events_take_little_memory(host):
    host.node("idro-a").live()
    host.settle("idro-a", 1)
    to = now_unix_ms()
    many = 10_000
    host.service.store.write([], [
        EventPoint("idro-a", (to - many + seq) * 1_000, seq, "b", "gap", {"upto": seq})
        for seq in range(many)])
    span = {"from_unix_ms": to - DAY_MS, "to_unix_ms": to}
    tracemalloc.start()
    try:
        answer = host.client.get("/api/nodes/idro-a/events", params=span | {"limit": 10}).json()
        with host.client.stream(
                "GET", "/api/nodes/idro-a/export/decisions", params=span) as streamed:
            count = sum(",gap," in line for line in streamed.iter_lines())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [event["seq"] for event in answer["events"]] == list(range(many - 10, many))
    assert answer["has_older"]
    assert count == many
    assert peak < 6_000_000


def test_big_answers_are_compressed(host):
    node = host.node("idro-a")
    node.live(120)
    host.settle("idro-a", 120)
    to = now_unix_ms()
    answer = host.client.get("/api/nodes/idro-a/series", params={
        "channels": "reservoir.ph", "from_unix_ms": to - 2 * 3_600_000, "to_unix_ms": to,
        "columns": 2_000})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()["series"]["reservoir.ph"]) >= 100


BAD_QUESTIONS = (
    ("channels=reservoir.ph&from_unix_ms=x&to_unix_ms=1", "from_unix_ms"),
    ("channels=reservoir.ph&from_unix_ms=5&to_unix_ms=5", "to_unix_ms"),
    ("channels=reservoir.ph&from_unix_ms=0&to_unix_ms=99999999999", "to_unix_ms"),
    ("channels=reservoir.ph&from_unix_ms=0&to_unix_ms=1000&columns=0", "columns"),
    ("channels=reservoir.ph&from_unix_ms=0&to_unix_ms=1000&columns=5000", "columns"),
    ("channels=&from_unix_ms=0&to_unix_ms=1000", "channels"),
    ("channels=reservoir.magic&from_unix_ms=0&to_unix_ms=1000", "channels"),
    ("from_unix_ms=0&to_unix_ms=1000", "channels"),
    ("channels=" + ",".join(f"s{n}.ph" for n in range(40)) + "&from_unix_ms=0&to_unix_ms=9",
     "channels"),
)


def test_a_bad_question_names_the_field(host):
    host.node("idro-a")
    for query, field in BAD_QUESTIONS:
        answer = host.client.get(f"/api/nodes/idro-a/series?{query}")
        assert answer.status_code == 422, query
        assert list(answer.json()) == ["error"]
        assert answer.json()["error"].startswith(f"{field}:")


def test_an_unknown_kind_node_or_command_is_named(host):
    host.node("idro-a")
    answer = host.client.get("/api/nodes/idro-a/events?from_unix_ms=0&to_unix_ms=9&kinds=danced")
    assert (answer.status_code, answer.json()["error"]) == (422, "kinds: unknown kind 'danced'")
    assert host.client.get("/api/nodes/absent").json() == {"error": "unknown node absent"}
    assert host.client.get("/api/nodes/absent").status_code == 404
    assert host.client.get("/api/commands/nothing").status_code == 404


def test_the_api_describes_itself(host):
    spec = host.client.get("/api/openapi.json").json()
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} has no description"


def test_health_counts_a_malformed_message_and_goes_on(host, eventually):
    node = host.node("idro-a")
    node._publish("telemetry", b'{"v":1,"boot_id":"x","records":[{"seq":1')
    eventually(lambda: host.counts()["rejected"] == 1, 10, "the rejected message")
    node.live()
    host.settle("idro-a", 1)


def test_a_question_of_too_long_or_too_fine_a_span_is_refused(host):
    host.node("idro-a")
    span = {"from_unix_ms": 0, "to_unix_ms": 400 * DAY_MS}
    for path, asked in (("series", {"channels": "reservoir.ph"}), ("events", {})):
        url = f"/api/nodes/idro-a/{path}"
        assert host.client.get(url, params=asked | span).status_code == 200
        for beyond in ({"to_unix_ms": 400 * DAY_MS + 1}, {"to_unix_ms": 0}):
            answer = host.client.get(url, params=asked | span | beyond)
            assert answer.status_code == 422, answer.text
            assert "by at most 400 days" in answer.json()["error"]
    url = "/api/nodes/idro-a/series"
    for beyond in ({"columns": 4_001}, {"channels": ",".join(
            f"tank{number}.ph" for number in range(33))}):
        answer = host.client.get(url, params={"channels": "reservoir.ph"} | span | beyond)
        assert answer.status_code == 422, answer.text

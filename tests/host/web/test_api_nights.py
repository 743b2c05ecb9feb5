"""The last night of several nodes in one request."""

from idroserra.history import paging
from idroserra.history.models import EventPoint
from support.paho_node import now_unix_ms

HOUR_MS = 3_600_000


def test_nights_are_those_of_each_node(host, eventually):
    for name in ("idro-a", "idro-b"):
        host.node(name).live(30)
        host.settle(name, 30)
    now = now_unix_ms()
    span = {"from_unix_ms": now - HOUR_MS, "to_unix_ms": now - 1_000, "time_zone": "Europe/Rome"}
    path, names = "/api/nights", "idro-a,idro-b,nowhere"
    nights = host.client.get(path, params={"nodes": names, **span}).json()["nights"]
    assert list(nights) == ["idro-a", "idro-b"]
    for name, night in nights.items():
        whole = host.client.get(f"/api/nodes/{name}/happened", params=span).json()
        assert night == {"level": whole["level"], "summary": whole["summary"]}
    # Of a short time it is the same; in another language it is another.
    assert host.client.get(path, params={"nodes": names, **span}).json()["nights"] == nights
    italian = host.client.get(path, params={"nodes": "idro-a", **span},
                              headers={"Accept-Language": "it"}).json()["nights"]
    assert italian["idro-a"]["summary"] != nights["idro-a"]["summary"]
    many = ",".join(f"idro-{number}" for number in range(51))
    assert host.client.get(path, params={"nodes": many, **span}).status_code == 422


def test_a_node_with_too_many_events_leaves_the_nights_of_the_others(host, monkeypatch):
    for name in ("idro-flood", "idro-b"):
        host.node(name).live(30)
        host.settle(name, 30)
    now = now_unix_ms()
    host.service.store.write([], [
        EventPoint("idro-flood", (now - 9_000 + seq) * 1_000 + seq, seq, "b1", "fault_began",
                   {"channel": "reservoir.ph", "fault": "crc"}) for seq in range(100)])
    monkeypatch.setattr(paging, "MOST_EVENTS", 50)
    span = {"from_unix_ms": now - HOUR_MS, "to_unix_ms": now - 1_000}
    nights = host.client.get(
        "/api/nights", params={"nodes": "idro-flood,idro-b", **span}).json()["nights"]
    why = "idro-flood: more than 50 events in this period: choose a shorter one"
    assert nights["idro-flood"] == {"level": "warn", "summary": why}
    assert why not in nights["idro-b"]["summary"]
    refused = host.client.get("/api/nodes/idro-flood/happened", params=span)
    assert (refused.status_code, refused.json()["error"]) == (422, why)

"""What needs a password of the last five minutes: settings that limit, scale or hold."""

from idroserra.auth.roles import Role
from idroserra.core import protocol
from idroserra.recipes.model import KEYS as RECIPE_SETTINGS
from idroserra.web.api.nodes import FRESH_SETTINGS
from support.real_host import own_host

host = own_host
# What the plants are to have, and when: no limit, no scale of a reading, no hold.
SETPOINTS = frozenset(RECIPE_SETTINGS) | {
    "climate.deadband_c", "climate.vpd_deadband_pa", "climate.vent_minutes",
    "climate.blind_vent_minutes", "clock.utc_offset_min",
}


def session_client(host, role, name):
    """Return a client with the session of a user whose password was given six minutes ago."""
    cookie, session = host.session_of(role, name)
    with host.service.access.sessions._changing() as database:
        database.execute("UPDATE sessions SET confirmed_unix_ms = confirmed_unix_ms - 360000")
    client = host.client_with()
    client.headers.update({"Cookie": f"{cookie}={session}", "Origin": host.url})
    return client


def test_each_setting_is_a_setpoint_or_needs_a_recent_password():
    """A new setting is added to one of the two: see the comment at FRESH_SETTINGS."""
    assert protocol.SETTINGS.keys() == FRESH_SETTINGS | SETPOINTS
    assert FRESH_SETTINGS.isdisjoint(SETPOINTS)


def test_limits_scales_and_holds_need_a_recent_password(host):
    host.node("idro-a")
    client = session_client(host, Role.OPERATOR, "anna")
    for key in FRESH_SETTINGS:
        value = protocol.SETTINGS[key].default
        answer = client.put("/api/nodes/idro-a/config", json={"values": {key: value}})
        assert (answer.status_code, answer.json().get("needs_password")) == (403, True), key
    for key in SETPOINTS:
        value = protocol.SETTINGS[key].default
        answer = client.put("/api/nodes/idro-a/config", json={"values": {key: value}})
        assert answer.status_code == 200, (key, answer.text)


def test_a_calibration_is_applied_with_a_recent_password(host):
    client = session_client(host, Role.OPERATOR, "bert")
    for step in ("factory", "runs", "finish"):
        answer = client.post(f"/api/nodes/idro-a/calibrations/cal-none/{step}", json={
            "volume_ml": 1} if step == "runs" else {})
        assert (answer.status_code, answer.json().get("needs_password")) == (403, True), step


def test_only_reads_by_operators_keep_a_calibration_open(host):
    host.node("idro-b")
    begun = host.client.post("/api/nodes/idro-b/calibrations", json={"kind": "ph", "by": "ada"})
    session = host.service.calibrations._sessions[begun.json()["id"]]
    before = session._touched_ms = session._touched_ms - 600_000
    path = f"/api/nodes/idro-b/calibrations/{session.id}"
    assert session_client(host, Role.VIEWER, "vera").get(path).json()["state"] == "open"
    assert session._touched_ms == before
    assert session_client(host, Role.OPERATOR, "bert").get(path).json()["state"] == "open"
    assert session._touched_ms > before

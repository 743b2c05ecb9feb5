"""Foreign readings from message to value: seen, adopted, aged, stored, and bounded."""


import pytest

from idroserra.foreign.adopted import MAX_ADOPTED, BadAdoption, UnknownForeign
from idroserra.foreign.messages import MAX_PAYLOAD_BYTES
from idroserra.foreign.seen import FORGOTTEN_MS, HELD_MS, MAX_SEEN
from idroserra.foreign.service import MAX_WAITING
from idroserra.history.sqlite.store import SqliteStore
from support.foreign_rig import FLOOR, HOUR_S, SHED, T0, Rig


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.settings.close()
    made.store.close()


def test_a_value_is_seen_adopted_shown_and_stored(rig):
    rig.send(SHED, {"temperature": 21.3, "humidity": 50})
    assert [(one.value.field, one.number) for one in rig.foreign.seen()] == [
        ("humidity", 50), ("temperature", 21.3)]
    assert rig.adopt().state == "waiting", "what came before is not its value"
    assert [one.value.field for one in rig.foreign.seen()] == ["humidity"]
    rig.wait(60)
    rig.send(SHED, {"temperature": 21.5})
    assert rig.reading() == ("ok", 21.5)
    rig.foreign.store()
    assert rig.history() == [(60_000, 21.5)]
    assert [one.node for one in rig.stored] == ["foreign:shed-air"], "what feeds are notified of"


def test_a_value_is_never_shown_beyond_its_age(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    rig.send(SHED, {"temperature": 21.3})
    rig.wait(2 * HOUR_S)
    assert rig.reading() == ("ok", 21.3)
    rig.wait(1)
    assert rig.reading() == ("old", None)
    rig.send(SHED, {"temperature": None})
    assert rig.reading() == ("old", None), "a failure is no value"
    rig.send(SHED, {"temperature": 20.0})
    assert rig.reading() == ("ok", 20.0)


@pytest.mark.parametrize(("wall_s", "monotonic_s"), [(-86_400, 3 * HOUR_S), (3 * HOUR_S, 0)],
                         ids=["clock set back", "machine suspended"])
def test_a_clock_that_lies_does_not_keep_a_value_fresh(rig, wall_s, monotonic_s):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    rig.send(SHED, {"temperature": 21.3})
    rig.now_unix_ms += wall_s * 1_000
    rig.now_s += monotonic_s
    assert rig.reading() == ("old", None)


def test_an_implausible_value_is_neither_shown_nor_stored(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt(low=0, high=40)
    rig.send(SHED, {"temperature": 40.1})
    [found] = rig.foreign.readings()
    assert (found.state, found.number, found.refused) == ("implausible", None, 40.1)
    rig.foreign.store()
    assert rig.history() == []
    rig.adopt(low=0, high=50)
    assert rig.reading() == ("ok", 40.1), "with wider limits it is plausible at once"
    rig.adopt(low=0, high=40)
    rig.send(SHED, {"temperature": 40.0})
    assert rig.reading() == ("ok", 40.0)


def test_a_retained_value_has_no_known_age_and_is_listed_only(rig):
    rig.send(SHED, {"temperature": 21.3}, retained=True)
    [seen] = rig.foreign.seen()
    assert seen.number is None
    rig.adopt()
    rig.send(SHED, {"temperature": 21.3}, retained=True)
    assert rig.reading() == ("waiting", None)
    rig.wait(2 * HOUR_S + 1)
    assert rig.reading() == ("old", None)


def test_a_retained_leak_counts_and_a_retained_dry_value_does_not(rig):
    rig.send(FLOOR, {"water_leak": False})
    rig.adopt("floor", FLOOR, "water_leak", low=0, high=1)
    rig.send(FLOOR, {"water_leak": False})
    rig.send(FLOOR, {"water_leak": True}, retained=True)
    rig.send(FLOOR, {"water_leak": False}, retained=True)
    [found] = rig.foreign.readings()
    assert (found.is_wet, found.number) == (True, 1)
    rig.send(FLOOR, {"water_leak": False})
    [found] = rig.foreign.readings()
    assert found.is_wet is False


@pytest.mark.parametrize("retained", [False, True])
def test_a_sensor_that_is_wet_when_it_is_adopted_is_a_leak(rig, retained):
    rig.send(FLOOR, {"water_leak": True}, retained=retained)
    found = rig.adopt("floor", FLOOR, "water_leak")
    assert (found.is_wet, found.number) == (True, None), "it may report once a day"


def test_no_range_makes_a_leak_implausible(rig):
    rig.send(FLOOR, {"water_leak": False})
    assert rig.adopt("floor", FLOOR, "water_leak", low=0, high=0.5).adopted.high == 1
    rig.send(FLOOR, {"water_leak": True})
    assert rig.reading() == ("ok", 1)
    rig.settings.put("foreign", "floor", {
        "name": "floor", "device": FLOOR, "field": "water_leak", "quantity": "leak", "low": 0.5,
        "high": 0.9, "too_old_s": 60}, "anna", T0)  # of an earlier version
    rig.restart()
    [found] = rig.foreign.readings()
    assert (found.adopted.low, found.adopted.high) == (0, 1)


def test_what_zigbee_sends_again_from_its_cache_is_as_old_as_it_says(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    rig.send(SHED, {"temperature": 21.3, "last_seen": T0 - 3 * HOUR_S * 1_000})
    assert rig.reading() == ("old", None)
    rig.send(SHED, {"temperature": 21.3, "last_seen": T0 + 3 * HOUR_S * 1_000})
    assert rig.reading() == ("ok", 21.3), "a clock ahead is not believed"
    rig.wait(2 * HOUR_S + 1)
    assert rig.reading() == ("old", None)


def test_an_older_value_from_the_cache_replaces_no_newer_one(rig):
    rig.send(SHED, {"temperature": 20})
    rig.adopt()
    rig.send(SHED, {"temperature": 20, "last_seen": T0})
    rig.wait(60)
    rig.send(SHED, {"temperature": 19, "last_seen": T0 - HOUR_S * 1_000})
    [found] = rig.foreign.readings()
    assert (found.number, found.age_ms) == (20, 60_000)
    rig.foreign.store()
    assert rig.history() == [(0, 20)]


def test_only_a_dry_value_as_new_as_the_leak_ends_it(rig):
    rig.send(FLOOR, {"water_leak": False})
    rig.adopt("floor", FLOOR, "water_leak")
    def is_wet(body):
        rig.send(FLOOR, body)
        [found] = rig.foreign.readings()
        return found.is_wet

    assert is_wet({"water_leak": False, "last_seen": T0}) is False
    assert is_wet({"water_leak": True, "last_seen": T0 - 48 * HOUR_S * 1_000}), "a clock behind"
    assert is_wet({"water_leak": False, "last_seen": T0 - 47 * HOUR_S * 1_000}) is False
    rig.wait(60)
    assert is_wet({"water_leak": True, "last_seen": T0 + 60_000})
    assert is_wet({"water_leak": False, "last_seen": T0}), "from the cache"


@pytest.mark.parametrize("source", [f"{SHED}/availability",
                                    "foreign/hub/zigbee2mqtt/bridge/state"])
def test_a_cache_does_not_bring_an_offline_device_back(rig, source):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    rig.send(SHED, {"temperature": 21.3})
    rig.wait(3 * HOUR_S)
    rig.send(source, {"state": "offline"}, retained=True)
    assert rig.reading() == ("offline", None)
    rig.send(SHED, {"temperature": 21.3})
    assert rig.reading() == ("offline", None), "it may be the cache of the bridge"
    rig.send(SHED, {"temperature": 21.3, "last_seen": T0})
    assert rig.reading() == ("offline", None), "the device was heard before it was offline"
    rig.send(source, {"state": "online"})
    assert rig.reading() == ("old", None)
    rig.send(SHED, {"temperature": 21.4})
    assert rig.reading() == ("ok", 21.4)


def test_a_device_heard_after_it_was_offline_is_back(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    rig.send(f"{SHED}/availability", b"offline")
    rig.send(SHED, {"temperature": 21.3}, retained=True)
    assert rig.reading() == ("offline", None), "a retained value tells nothing of now"
    rig.wait(60)
    rig.send(SHED, {"temperature": 21.3, "last_seen": T0 + 60_000})
    assert rig.reading() == ("ok", 21.3)
    rig.wait(3 * HOUR_S)
    assert rig.reading() == ("old", None)


@pytest.mark.parametrize("topic", [
    "foreign/other/zigbee2mqtt/bridge/state", "foreign/hub/zigbee2mqtt/shed2/bridge/state",
    "foreign/bridge/state", "foreign/bridge/online", "foreign/bridge/status",
    "foreign/tele/hub/zigbee2mqtt/shed/LWT", "foreign/shellies/hub/zigbee2mqtt/shed/online"])
def test_no_hub_or_bridge_marks_the_devices_of_another_one_offline(rig, topic):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    rig.send(topic, b"false" if topic.endswith("online") else b"offline")
    assert rig.reading() == ("waiting", None)


def test_a_battery_device_that_sleeps_keeps_its_value_until_it_is_too_old(rig):
    device = "foreign/hub/shellies/shellyht-1"
    rig.send(f"{device}/sensor/temperature", b"21.5")
    rig.adopt("porch", device, "sensor/temperature")
    rig.send(f"{device}/sensor/temperature", b"21.5")
    rig.send(f"{device}/online", b"false")
    rig.wait(2 * HOUR_S)
    assert rig.reading() == ("ok", 21.5)
    rig.wait(1)
    assert rig.reading() == ("offline", None)
    rig.send(f"{device}/sensor/temperature", b"21.6", retained=True)
    assert rig.reading() == ("offline", None), "a retained value tells nothing of now"
    rig.send(f"{device}/sensor/temperature", b"21.6")
    assert rig.reading() == ("ok", 21.6)


def test_a_restart_keeps_adoptions_and_waits_for_values(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt(place="Shed, north wall")
    rig.send(SHED, {"temperature": 21.3})
    rig.restart()
    [found] = rig.foreign.readings()
    assert (found.adopted.place, found.state) == ("Shed, north wall", "waiting")
    rig.foreign.forget("shed-air")
    rig.restart()
    assert rig.foreign.readings() == []


def test_a_reading_is_stored_every_ten_seconds_and_a_leak_at_once(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.send(FLOOR, {"water_leak": False})
    rig.adopt()
    rig.adopt("floor", FLOOR, "water_leak", low=0, high=1)
    for second in range(25):
        rig.send(SHED, {"temperature": 20 + second})
        rig.send(FLOOR, {"water_leak": second in (3, 4)})
        rig.wait(1)
    rig.foreign.store()
    assert rig.history() == [(0, 20), (10_000, 30), (20_000, 40)]
    assert rig.history("foreign:floor", "foreign.leak") == [
        (0, 0), (3_000, 1), (5_000, 0), (15_000, 0)]


def test_history_goes_on_after_the_clock_was_set_back(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    rig.send(SHED, {"temperature": 21.3})
    rig.foreign.store()
    rig.wait(60)
    rig.now_unix_ms -= HOUR_S * 1_000
    for number in (22, 23):
        rig.send(SHED, {"temperature": number})
    rig.foreign.store()
    assert rig.history() == [(60_000 - HOUR_S * 1_000, 22), (0, 21.3)]


def test_a_store_that_is_away_gets_the_values_later_and_they_are_bounded(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    rig.store.close()  # every write fails
    for _ in range(MAX_WAITING + 100):
        rig.send(SHED, {"temperature": 21.3})
        rig.wait(10)
    rig.foreign.store()
    assert rig.stored == []
    rig.store = SqliteStore(rig.folder / "store.db")
    rig.foreign.store()
    assert [len(rig.stored), rig.stored[-1].unix_ms] == [
        MAX_WAITING, T0 + (MAX_WAITING + 99) * 10_000]


def test_only_a_seen_value_is_adopted_once_with_its_own_quantity(rig):
    with pytest.raises(UnknownForeign, match="not seen"):
        rig.adopt()
    rig.send(SHED, {"temperature": 21.3})
    rig.send("foreign/hub/porch/sensor/air/state", b"20.1")
    with pytest.raises(BadAdoption, match="quantity: the message says temp_c"):
        rig.adopt(quantity="power_w")
    with pytest.raises(BadAdoption, match="quantity"):
        rig.adopt("porch", "foreign/hub/porch", "sensor/air")
    rig.adopt("porch", "foreign/hub/porch", "sensor/air", quantity="temp_c")
    rig.adopt()
    with pytest.raises(BadAdoption, match="name: this value is adopted already, as shed-air"):
        rig.adopt("other")
    for key, value, why in (("low", 70, "low"), ("low", -41, "low"), ("high", 86, "low"),
                            ("too_old_s", 29, "too_old_s"), ("place", "a\nb", "place"),
                            ("high", "nan", "low")):
        with pytest.raises(BadAdoption, match=f"^{why}: "):
            rig.adopt(**{key: value})
    for name in ("Shed", "", "a/b", "-a", "x" * 33):
        with pytest.raises(BadAdoption, match="^name: "):
            rig.adopt(name)
    assert rig.adopt(high=50).adopted.high == 50, "its limits are changed"


def test_a_hostile_client_fills_no_memory(rig):
    rig.send(SHED, {"temperature": 21.3})
    rig.adopt()
    for number in range(3 * MAX_SEEN):
        rig.send(f"foreign/hub/{number}", {"temperature": 21.3, "humidity": 40})
        rig.send(f"foreign/hub/{number}/availability", b"offline")
    assert len(rig.foreign.seen()) <= MAX_SEEN
    assert rig.foreign.status().omitted > 3 * MAX_SEEN
    rig.send(SHED, {"temperature": 22.0})
    assert rig.reading() == ("ok", 22.0), "what is adopted is not in the list"
    rig.send(f"foreign/{'x' * 200}", {"temperature": 1})
    rig.send(SHED, b'{"temperature": 1' + b" " * MAX_PAYLOAD_BYTES + b"}")
    assert rig.reading() == ("ok", 22.0)
    rig.wait(HELD_MS / 1_000 + 1)
    rig.send("foreign/hub/late", {"temperature": 19.0})
    assert "foreign/hub/late" in {one.device for one in rig.foreign.seen()}
    rig.wait(FORGOTTEN_MS / 1_000 + 1)
    rig.send("foreign/hub/latest", {"temperature": 19.0})
    assert [one.device for one in rig.foreign.seen()] == ["foreign/hub/latest"]


def test_a_full_list_replaces_what_was_heard_longest_ago(rig):
    names = [f"foreign/hub/{number:03d}" for number in range(MAX_SEEN)]
    for name in names:
        rig.send(name, {"temperature": 21.3})
    rig.wait(HELD_MS / 1_000)
    rig.send(names[0], {"temperature": 21.3})
    rig.wait(1)
    rig.send("foreign/hub/late", {"temperature": 19.0})
    found = {one.device for one in rig.foreign.seen()}
    assert {"foreign/hub/late", names[0]} <= found
    assert names[1] not in found


def test_the_number_of_adopted_readings_is_bounded(rig):
    for number in range(MAX_ADOPTED):
        rig.send(f"foreign/hub/{number}", {"temperature": 21.3})
        rig.adopt(f"n-{number}", f"foreign/hub/{number}")
    rig.send(SHED, {"temperature": 21.3})
    with pytest.raises(BadAdoption, match="100 readings are adopted"):
        rig.adopt()

"""Live stream: newest values win; a slow subscriber gets a count of the messages it lost."""

import asyncio
import threading

from idroserra.nodes.live import MAX_RECENT, MAX_WAITING, LiveState

NODE = "idro-a1"


def test_newer_values_replace_older_ones_channel_by_channel():
    live = LiveState()
    live.record(NODE, 2_000, {"reservoir.ph": 6.0}, {"air.temp_c": "no_ack"})
    live.record(NODE, 1_000, {"reservoir.ph": 5.0, "air.rh_pct": 60.0}, {})
    live.record(NODE, 3_000, {"air.temp_c": 21.5}, {})
    assert live.channels(NODE) == {
        "reservoir.ph": {"value": 6.0, "fault": None, "unix_ms": 2_000},
        "air.rh_pct": {"value": 60.0, "fault": None, "unix_ms": 1_000},
        "air.temp_c": {"value": 21.5, "fault": None, "unix_ms": 3_000},
    }
    assert live.channels("idro-none") == {}


def test_of_many_records_the_newest_of_each_channel_is_retained():
    live = LiveState()
    for second in range(3 * MAX_RECENT):
        values = {"reservoir.ph": 5 + second / 100}
        if second == 4:
            values["air.rh_pct"] = 60.0
        faults = {"air.temp_c": "no_ack"} if second == 9 else {}
        live.record(NODE, 1_000 * second, values, faults)
    live.record(NODE, 1_000 * 6, {"air.rh_pct": 50.0, "air.temp_c": 20.0}, {})
    last = 3 * MAX_RECENT - 1
    assert live.channels(NODE) == {
        "reservoir.ph": {"value": 5 + last / 100, "fault": None, "unix_ms": 1_000 * last},
        "air.rh_pct": {"value": 50.0, "fault": None, "unix_ms": 6_000},
        "air.temp_c": {"value": None, "fault": "no_ack", "unix_ms": 9_000},
    }


def test_of_two_records_of_one_instant_the_later_counts():
    live = LiveState()
    live.record(NODE, 1_000, {"reservoir.ph": 5.0, "air.temp_c": 20.0}, {})
    live.record(NODE, 1_000, {"reservoir.ph": 6.0}, {})
    assert live.channels(NODE)["reservoir.ph"]["value"] == 6.0
    assert live.channels(NODE)["air.temp_c"]["value"] == 20.0


def test_readings_do_not_displace_events():
    live = LiveState()
    events, all_of_it = live.subscribe({"event"}), live.subscribe()
    live.publish({"type": "event", "number": 1})
    for second in range(MAX_WAITING):
        live.record(NODE, 1_000 * second, {"reservoir.ph": 6.0}, {})
    assert [message["type"] for message in events.take()] == ["event"]
    assert (events.discarded_count, all_of_it.discarded_count) == (0, 1)


def test_a_backlog_is_no_news():
    live = LiveState()
    live.record(NODE, 2_000, {"reservoir.ph": 6.0}, {})
    subscription = live.subscribe()
    live.record(NODE, 1_000, {"reservoir.ph": 5.0}, {})
    assert subscription.take() == []


def test_a_slow_reader_loses_the_oldest():
    live = LiveState()
    subscription = live.subscribe()
    for number in range(MAX_WAITING + 5):
        live.publish({"type": "event", "number": number})
    assert subscription.discarded_count == 5
    assert [m["number"] for m in subscription.take()[:2]] == [5, 6]
    live.unsubscribe(subscription)
    live.publish({"type": "event"})
    assert subscription.take() == []


def test_a_waiting_task_is_woken_from_another_thread():
    live = LiveState()

    async def read():
        subscription = live.subscribe()
        assert await subscription.next(0.01) == []
        thread = threading.Thread(target=live.publish, args=({"type": "event"},))
        thread.start()
        messages = await subscription.next(10)
        thread.join()
        live.publish({"type": "status"})
        return messages + await subscription.next(10)

    assert [m["type"] for m in asyncio.run(read())] == ["event", "status"]


def test_progress_is_published_and_ends():
    live = LiveState()
    live.set_progress(NODE, {"done": 3, "of": 14})
    assert live.progress(NODE) == {"done": 3, "of": 14}
    live.set_progress(NODE, None)
    assert live.progress(NODE) is None

"""Runs the tasks of a walk on a new host with a healthy and a faulty greenhouse."""

from contextlib import contextmanager

import pytest
from playwright.sync_api import Error

from browser.walks.walk_act import by_hand, preview, recipe, schedule, setpoints, stop
from browser.walks.walk_calibrate import ec, level, ph, pump
from browser.walks.walk_journal import harvest, note, report
from browser.walks.walk_look import NODE, SICK, alarms, balance, bottles, charts, overview, why
from browser.walks.walk_people import first_admin, roles, users
from idroserra.broker.local import Broker
from support.all_pages import HEALTHY_EVENTS
from support.calibration_cups import Cups
from support.notice_receiver import NoticeReceiver
from support.page_walker import Walker
from support.real_host import Host
from support.wait import wait_until

PROBES = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm")
# Alarms without delays.
AT_ONCE = {"on_delay_s": 0, "off_delay_s": 0}
RULES = dict.fromkeys(("bus_dead", "probe_fault", "sensor_fault", "water_hot"), AT_ONCE)
TASKS = (
    first_admin, users, roles, overview, charts, why, balance, bottles, setpoints, schedule,
    by_hand, recipe, preview, stop, alarms, note, harvest, report, ph, ec, level, pump,
)
# The tasks in `make test`: each kind of page, and the safety-relevant ones.
BRIEF = (first_admin, users, overview, why, stop, alarms)


@contextmanager
def new_host(folder):
    """Yield (host without accounts, healthy node, faulty node)."""
    broker = Broker(folder / "broker", "mosquitto")
    broker.start()
    receiver = NoticeReceiver()
    targets = [{"name": "anna-phone", "url": receiver.url()},
               {"name": "boss", "url": receiver.url(), "escalation_only": True}]
    host = Host(folder / "host", broker.port, wait_until, more={"alarms": {
        "rules": RULES, "targets": targets, "gather_s": 0,
        "heartbeat_url": f"http://127.0.0.1:{receiver.port}/beat"}})
    try:
        yield host, _healthy(host), _faulty(host)
    finally:
        host.stop()
        receiver.close()
        broker.stop()


def _healthy(host):
    node = host.node(NODE)
    for minutes_ago, kind, detail in HEALTHY_EVENTS:
        node.tell(kind, detail, minutes_ago * 60_000)
    node.live(60)
    host.settle(NODE, 64)
    return node


def _faulty(host):
    node = host.node(SICK)
    node.read({"reservoir.temp_c": 31.0}, faults=dict.fromkeys(PROBES, "no_ack"))
    wait_until(lambda: len([one for one in host.client.get("/api/alarms").json()["alarms"]
                            if not one.get("cause")]) >= 2, 60, "two alarms")
    return node


def walk(browser, folder, look, tasks, pictures=None, tell=lambda step: None, *, is_brief=False):
    """Perform `tasks` with one look, (language, size, scheme); return the errors."""
    with new_host(folder) as (host, healthy, faulty):
        walker = Walker(browser, host, *look, pictures, is_brief=is_brief)
        walker.node, walker.cups = healthy, Cups(healthy)
        for task in tasks:
            tell(task.__name__)
            _refresh(healthy, faulty)
            try:
                task(walker)
            except (AssertionError, Error, pytest.fail.Exception) as error:
                walker.wrong.append(f"{walker.name} {task.__name__}: not done: {error}")
                walker.tab.troubles.clear()
        walker.close()
        return walker.wrong


def _refresh(healthy, faulty):
    """Publish new readings of both nodes, because a walk takes longer than they stay fresh."""
    healthy.read({"reservoir.ph": 5.80})
    faulty.read({"reservoir.temp_c": 31.0}, faults=dict.fromkeys(PROBES, "no_ack"))

"""Runs the tasks of a walk on a new host: a healthy greenhouse, a faulty one, and a simulated
board that was provisioned and waits to be adopted."""

from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Error

from browser.walks.walk_act import by_hand, correction, schedule, setpoints, stop
from browser.walks.walk_calibrate import ec, level, ph, pump
from browser.walks.walk_journal import harvest, note, report
from browser.walks.walk_look import NODE, SICK, alarms, balance, bottles, charts, overview, why
from browser.walks.walk_people import first_admin, roles, users
from browser.walks.walk_recipe import own_recipe, preview, recipe
from browser.walks.walk_setup import (
    BOARD,
    RELEASE,
    adopt,
    backup,
    board_settings,
    limits,
    recipients,
    rollout,
)
from idroserra.broker.local import Broker
from idroserra.updates import release
from support.all_pages import HEALTHY_EVENTS
from support.calibration_cups import Cups
from support.fake_updating_node import UpdatingNode
from support.notice_receiver import NoticeReceiver
from support.page_walker import Walker
from support.provisioned_board import ProvisionedBoard
from support.real_host import Host
from support.releases import make_signed
from support.wait import wait_until

PROBES = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm")
# Alarms without delays.
AT_ONCE = {"on_delay_s": 0, "off_delay_s": 0}
RULES = dict.fromkeys(("bus_dead", "probe_fault", "sensor_fault", "water_hot"), AT_ONCE)
# Those of an admin come before `roles`, which leaves an operator logged in.
TASKS = (
    first_admin, adopt, board_settings, limits, recipients, own_recipe, preview, recipe, rollout,
    backup, users, roles, overview, charts, why, balance, bottles, setpoints, schedule, by_hand,
    correction, stop, alarms, note, harvest, report, ph, ec, level, pump,
)
PEOPLE = (first_admin, users, roles)
# The tasks in `make test`: each kind of page, and the safety-relevant ones.
BRIEF = (first_admin, adopt, board_settings, users, overview, why, stop, alarms)


@contextmanager
def new_walker(browser, home, look, **more):
    """Yield a Walker on a host without accounts, with all that the tasks need."""
    with ExitStack() as ends:
        broker = Broker(home / "broker", "mosquitto")
        broker.start()
        ends.callback(broker.stop)
        receiver = NoticeReceiver()
        ends.callback(receiver.close)
        public, signed = make_signed(home, RELEASE)
        release.write(signed, home / "release")
        host = Host(home / "host", broker.port, wait_until, more=_configuration(
            receiver, public))
        ends.callback(host.stop)
        board = ProvisionedBoard(BOARD, home / "board", broker.port)
        ends.callback(board.stop)
        walker = Walker(browser, host, *look, **more)
        ends.callback(walker.close)
        walker.board, walker.release, walker.receiver = board, home / "release", receiver
        walker.node, walker.faulty = _healthy(host), _faulty(host)
        walker.cups = Cups(walker.node)
        yield walker


def _configuration(receiver, public):
    targets = [{"name": "anna-phone", "url": receiver.url()},
               {"name": "boss", "url": receiver.url(), "escalation_only": True}]
    return {
        "alarms": {"rules": RULES, "targets": targets, "gather_s": 0,
                   "heartbeat_url": f"http://127.0.0.1:{receiver.port}/beat"},
        "update": {"public_keys": [str(public)], "watch_min": 0, "rest_after_dose_min": 0}}


def _healthy(host):
    node = host.node(NODE, kind=UpdatingNode)
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
    with new_walker(browser, folder, look, folder=pictures, is_brief=is_brief) as walker:
        for task in tasks:
            tell(task.__name__)
            _refresh(walker)
            try:
                task(walker)
            except (AssertionError, Error, pytest.fail.Exception) as error:
                walker.wrong.append(f"{walker.name} {task.__name__}: not done: {error}")
                walker.tab.troubles.clear()
        return walker.wrong


def _refresh(walker):
    """Publish new readings of both nodes, because a walk takes longer than they stay fresh."""
    walker.node.read({"reservoir.ph": 5.80})
    walker.faulty.read({"reservoir.temp_c": 31.0}, faults=dict.fromkeys(PROBES, "no_ack"))

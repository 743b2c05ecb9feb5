"""Every cause and every alarm of a node links to the place where it is mended."""

import re

import pytest

from idroserra.alarms.rules import HOST, SITE, load_rules
from idroserra.auth.roles import rule_of
from idroserra.core.paths import PACKAGE
from idroserra.core.reasons import REASONS, Reason
from idroserra.node_state.places import address_of, label_of, place_of_alarm, place_of_cause

IDS = {match for path in (PACKAGE / "web" / "templates").glob("*.html")
       for match in re.findall(r'\bid="([\w-]+)"', path.read_text())}


def check_exists(place):
    address = address_of("idro a", place)
    path, _, anchor = address.partition("#")
    assert rule_of("GET", path) is not None, address
    assert not anchor or anchor in IDS, address
    assert label_of(place)


@pytest.mark.parametrize("code", REASONS)
def test_the_place_of_a_cause_exists(code):
    check_exists(place_of_cause(Reason(code, channel="reservoir.ph")))


@pytest.mark.parametrize("rule", load_rules(None).values(), ids=lambda rule: rule.name)
def test_the_place_of_an_alarm_exists(rule):
    for part in ("", "reservoir.ph", "reservoir.temp_c", "air.temp_c", "ph_down"):
        place = place_of_alarm(rule.watch, part)
        if rule.watch not in (*HOST, *SITE):
            check_exists(place)


@pytest.mark.parametrize(("reason", "address"), [
    (Reason("dosing_off"), "/nodes/idro-a/water#setpoints"),
    (Reason("dosing_stopped", by="ann"), "/nodes/idro-a#control"),
    (Reason("ph_low_blocked", why=Reason("circulation_off")), "/nodes/idro-a/water#run"),
    (Reason("channel_fault", channel="reservoir.ph", fault="noisy"), "/nodes/idro-a/calibrate"),
    (Reason("reading_above", channel="air.temp_c", scaled=300, limit_scaled=280),
     "/nodes/idro-a/climate"),
    (Reason("correction_waits", why=Reason("mixing")), "/nodes/idro-a/water#correct"),
    (Reason("alarm_raised", title="x"), "/alarms"),
    (Reason("of_a_newer_node"), "/nodes/idro-a/log")])
def test_a_cause_is_mended_in_its_room(reason, address):
    assert address_of("idro-a", place_of_cause(reason)) == address


def test_an_alarm_of_the_host_has_a_place_only_where_there_is_one():
    assert address_of("", place_of_alarm("undelivered", "")) == "/settings/notifications"
    assert address_of("", place_of_alarm("disk_low", "")) == ""

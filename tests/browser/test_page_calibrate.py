"""The calibration page: pH with two buffers on a phone, refusals, and a pump."""

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from idroserra.calibration.reference_solutions import buffer_ph
from support.calibration_cups import Cups
from support.pages import DESKTOP, PHONE
from support.real_host import own_host
from support.wait import wait_until

host = own_host


@pytest.fixture
def cups(host, request):
    """The probes of a node of its own, which reads at once."""
    node = host.node(request.function.__name__[5:17].replace("_", "-").strip("-"))
    node.read()
    return Cups(node)


def dip(cups, buffer):
    cups.read({"reservoir.ph": cups.ph(buffer_ph(buffer, cups.temp_c))})


def button(page, words):
    return page.locator("#walk .acts").get_by_role("button", name=words)


def start(page, what):
    page.locator("#choose").get_by_role("button", name=what, exact=True).click()
    expect(what_to_do(page)).to_be_visible()  # readings of before it began count for nothing


def what_to_do(page):
    return page.locator("#walk .do")


def test_two_buffers_with_one_hand_and_a_reload_between(host, cups, tab):
    node = cups.node
    watched = tab(PHONE)
    page = watched.open(f"/nodes/{node.node}/water")
    page.locator("#probes").get_by_role("link", name="Calibrate…").click()
    start(page, "pH")
    expect(what_to_do(page)).to_have_text("Rinse the probe and put it into pH 7.00.")
    expect(page.locator("#walk .held")).to_have_text("Dosing held, 20 min left")
    expect(button(page, "Wait for a stable reading…")).to_be_disabled()
    assert page.locator("#walk .acts button").first.bounding_box()["height"] >= 56
    cups.read({"reservoir.ph": cups.ph(buffer_ph("7.00", cups.temp_c))}, count=5)
    expect(page.locator("#walk .settle")).to_have_text("5 readings within 8 s")
    watched.check()
    dip(cups, "7.00")
    expect(page.locator("#walk .settle")).to_have_text("stable: moves 0.000 pH a minute")
    button(page, "Take this point").click()
    expect(what_to_do(page)).to_have_text("Rinse the probe and put it into pH 4.01.")
    page.reload()
    expect(what_to_do(page)).to_have_text("Rinse the probe and put it into pH 4.01.")
    expect(page.locator("#walk .points")).to_have_text("Points: 7.00.")
    button(page, "Remove last point").click()
    expect(what_to_do(page)).to_have_text("Rinse the probe and put it into pH 7.00.")
    dip(cups, "7.00")
    button(page, "Take this point").click()
    expect(what_to_do(page)).to_have_text("Rinse the probe and put it into pH 4.01.")
    dip(cups, "4.01")
    button(page, "Take this point").click()
    expect(what_to_do(page)).to_have_text("Check the result, then apply it.")
    rows = page.locator("#walk tbody tr")
    expect(rows.nth(0)).to_have_text("Slope100.0 %93.0 %")
    expect(rows.nth(1)).to_have_text("Offset0.0 mV14.0 mV")
    expect(page.locator("#walk .result .health")).to_have_text("Probe health: 86 of 100")
    watched.check()
    assert node.values["ph.neutral_uv"] == 1_500_000
    button(page, "Apply…").click()
    expect(what_to_do(page)).to_have_text("Rinse the probe and put it back into the tank.")
    button(page, "Done: apply").click()
    expect(what_to_do(page)).to_have_text("Active: confirmed by the node.")
    assert cups.ph(5.80) == pytest.approx(5.80, abs=0.01)
    watched.check()
    button(page, "Done").click()
    expect(page.locator("#past .due")).to_have_text("pH calibration due in 30 days")
    expect(page.locator("#past li")).to_contain_text("Slope 93.0 %, Offset 14.0 mV, health 86")
    page.get_by_role("button", name="Restore previous calibration…").click()
    page.locator("#sure").get_by_role("button", name="Restore").click()
    expect(page.locator("#past > .outcome")).to_have_text(
        "Confirmed: the previous calibration is active.")
    assert node.values["ph.neutral_uv"] == 1_500_000
    expect(page.locator("#past li")).to_contain_text("Undone by anna")
    watched.check()


def test_the_same_buffer_twice_and_a_dead_probe_are_refused_in_words(host, cups, tab):
    watched = tab(PHONE, "dark")
    page = watched.open(f"/nodes/{cups.node.node}/calibrate")
    start(page, "pH")
    dip(cups, "7.00")
    button(page, "Take this point").click()
    expect(what_to_do(page)).to_contain_text("pH 4.01")
    page.select_option("#walk [name=reference]", "7.00")
    dip(cups, "7.00")
    button(page, "Take this point").click()
    expect(page.locator("#walk .refusal")).to_contain_text("already measured")
    page.select_option("#walk [name=reference]", "4.01")
    button(page, "Take this point").click()
    refusal = page.locator("#walk .refusal")
    expect(refusal).to_contain_text("this is not buffer 4.01: the signal fits 6.86, 7.00")
    assert all("409" in trouble for trouble in watched.troubles)  # the browser tells of each
    watched.troubles.clear()
    watched.check()
    cups.read(faults={"reservoir.ph": "no_ack"}, count=2)
    expect(page.locator("#walk .live b")).to_have_text("No reading")
    expect(page.locator("#walk .live .value span")).to_contain_text("check the cable")
    watched.check()
    button(page, "Cancel calibration…").click()
    page.locator("#sure").get_by_role("button", name="Cancel calibration").click()
    expect(what_to_do(page)).to_have_text("Cancelled, nothing was changed.")
    assert cups.node.values["ph.neutral_uv"] == 1_500_000


def test_a_pump_by_a_measuring_cylinder(host, cups, tab):
    node = cups.node
    watched = tab(DESKTOP)
    page = watched.open(f"/nodes/{node.node}/calibrate")
    start(page, "Pump nutrient A")
    for number, measured in enumerate(("4.4", "4.5")):
        button(page, "Run the pump").click()
        expect(what_to_do(page)).to_have_text("The pump is running. Hold the tube still.")
        wait_until(lambda sent=number + 1: [c.verb for c in node.commands].count("dose") == sent,
                   30, "the command at the node")
        node.tell("dosed", {"actuator": "nutrient_a", "volume_ul": 5_000, "on_ms": 5_000,
                            "reason": "by hand", "by": "anna"})
        expect(what_to_do(page)).to_have_text("Read the cylinder.")
        page.fill("#walk [name=measured_ml]", measured)
        button(page, "Accept this run").click()
    expect(page.locator("#walk tbody tr").first).to_have_text("Flow1000 µl/s890 µl/s")
    watched.check()
    button(page, "Apply…").click()
    button(page, "Done: apply").click()
    expect(what_to_do(page)).to_have_text("Active: confirmed by the node.")
    assert node.values["doser.ul_per_s"] == 890


def test_another_person_calibrates_and_a_viewer_looks(host, cups, tab):
    node = cups.node.node
    path = f"/api/nodes/{node}/calibrations"
    assert host.client.post(path, json={"kind": "ec", "by": "ada"}).status_code == 201
    watched = tab(PHONE)
    page = watched.open(f"/nodes/{node}/calibrate")
    expect(page.locator("#busy .do")).to_have_text(f"ada is calibrating EC of {node}.")
    expect(page.locator("#choose")).to_be_hidden()
    looking = tab(PHONE, "dark", Role.VIEWER)
    watched.check()
    page.get_by_role("button", name="Cancel calibration…").click()
    page.locator("#sure").get_by_role("button", name="Cancel calibration").click()
    expect(page.locator("#choose")).to_be_visible()
    page = looking.open(f"/nodes/{node}/calibrate")
    expect(page.locator("#past .empty")).to_be_visible()
    expect(page.locator("#choose")).to_be_hidden()
    looking.check()

"""The tasks of a technician: pH, EC, level and a pump, step by step with the probes in cups."""

from functools import partial

from playwright.sync_api import expect

from browser.walks.walk_look import NODE
from idroserra.calibration.reference_solutions import buffer_ph, standard_us_cm
from support.calibration_cups import STEP_MS
from support.wait import wait_until

MAIN = "#walk .acts button.main"


def dip(walker, values):
    """Let the probes stand still in a cup until the host has heard the last reading."""
    walker.cups.read(values)
    wait_until(lambda: (reading := _open(walker)["reading"]) is not None
               and reading["unix_ms"] >= walker.cups.newest_unix_ms - STEP_MS // 2,
               30, "the readings")
    expect(walker.page.locator("#walk .live")).to_have_attribute("data-state", "stable")


def begin(walker, what):
    """Choose what to calibrate, and wait for the node to hold its dosing."""
    walker.page.locator(f"#choose [data-what='{what}']").click()
    expect(walker.page.locator("#walk")).to_have_attribute(
        "data-step", "run" if what == "nutrient_a" else "point")
    walker.says("#walk .held", "Dosing held, {minutes} min left")


def in_force(walker, name):
    """Look at the result, put the probe back, and wait for the node to confirm."""
    page = walker.page
    expect(page.locator("#walk")).to_have_attribute("data-step", "review")
    walker.says("#walk .do", "Check the result, then apply it.")
    walker.step(f"{name}-result", "#walk")
    page.locator(MAIN).click()
    expect(page.locator("#walk")).to_have_attribute("data-step", "back")
    page.locator(MAIN).click()
    expect(page.locator("#walk")).to_have_attribute("data-step", "end")
    walker.says("#walk .do", "Active: confirmed by the node.")
    page.locator(MAIN).click()
    expect(page.locator("#choose")).to_be_visible()


def taken(walker, count):
    """Press the button, and wait until so many points are taken."""
    walker.page.locator(MAIN).click()
    wait_until(lambda: len(_open(walker)["points"]) == count, 30, f"{count} points")


def _open(walker):
    return walker.host.client.get(f"/api/nodes/{NODE}/calibrations").json()["open"]


def ph(walker):
    """Two buffers, and a refusal of the same one twice."""
    page, cups = walker.page, walker.cups
    walker.go(f"/nodes/{NODE}/calibrate")
    walker.step("calibrate")
    begin(walker, "ph")
    walker.says("#walk .do", "Rinse the probe and put it into pH {reference}.",
                reference=walker.figure(7, 2))
    dip(walker, {"reservoir.ph": cups.ph(buffer_ph("7.00", cups.temp_c))})
    walker.step("ph-steady", "#walk")
    taken(walker, 1)
    expect(page.locator("#walk .points")).not_to_be_empty()
    page.locator("#walk [name=reference]").select_option("7.00")
    dip(walker, {"reservoir.ph": cups.ph(buffer_ph("7.00", cups.temp_c))})
    page.locator(MAIN).click()
    expect(page.locator("#walk .refusal")).to_be_visible()
    walker.says("#walk .refusal", "buffer {buffer} was taken already: another is needed",
                buffer=walker.figure(7, 2))
    walker.step("ph-refused", "#walk", expected=["status of 409"])
    page.locator("#walk [name=reference]").select_option("4.01")
    dip(walker, {"reservoir.ph": cups.ph(buffer_ph("4.01", cups.temp_c))})
    taken(walker, 2)
    slope = page.locator("#walk tbody tr").first
    expect(slope).to_contain_text(f"{walker.figure(93.0, 1)} %")
    walker.says("#walk .result .health", "Probe health: {health} of 100", health=86)
    in_force(walker, "ph")
    assert walker.node.values["ph.neutral_uv"] != 1_500_000


def ec(walker):
    """Dry in the air, then a standard."""
    cups = walker.cups
    begin(walker, "ec")
    walker.says("#walk .do", "Rinse the cell, dab it dry and hold it in air.")
    cups.read(faults={"reservoir.ec_us_cm": "in_air"}, count=6)
    walker.says("#walk .value b", "No reading")
    walker.step("ec-dry", "#walk")
    taken(walker, 1)
    expect(walker.page.locator("#walk [name=reference]")).to_have_value("1413")
    walker.says("#walk .do", "Put the cell and the thermometer into standard {reference} µS/cm.",
                reference=1413)
    dip(walker, {"reservoir.ec_us_cm": cups.ec(standard_us_cm("1413", cups.temp_c))})
    walker.step("ec-steady", "#walk")
    taken(walker, 2)
    in_force(walker, "ec")


def level(walker):
    """Two depths by the rule."""
    cups = walker.cups
    begin(walker, "level")
    for count, depth_mm in enumerate((80, 200), 1):
        dip(walker, {"reservoir.level_mm": cups.level(depth_mm)})
        walker.page.locator("#walk [name=depth_mm]").fill(str(depth_mm))
        walker.step(f"level-{count}", "#walk")
        taken(walker, count)
    in_force(walker, "level")


def pump(walker):
    """Two runs into a measuring cylinder."""
    page, node = walker.page, walker.node
    begin(walker, "nutrient_a")
    for count, measured_ml in enumerate((4.4, 4.5), 1):
        expect(page.locator("#walk")).to_have_attribute("data-step", "run")
        sent = _doses(node)
        page.locator(MAIN).click()
        walker.says("#walk .do", "The pump is running. Hold the tube still.")
        wait_until(partial(lambda before: _doses(node) > before, sent), 30, "the dose")
        node.tell("dosed", {"actuator": "nutrient_a", "volume_ul": 5_000, "on_ms": 5_000,
                            "reason": "by hand", "by": "olga"})
        expect(page.locator("#walk")).to_have_attribute("data-step", "measure")
        walker.says("#walk .do", "Read the cylinder.")
        walker.type("#walk [name=measured_ml]", measured_ml, 1)
        walker.step(f"pump-{count}", "#walk")
        taken(walker, count)
    in_force(walker, "pump")
    assert node.values["doser.ul_per_s"] == 890
    expect(page.locator("#past li")).to_have_count(4)
    walker.step("calibrated", "#past")


def _doses(node):
    return [command.verb for command in node.commands].count("dose")

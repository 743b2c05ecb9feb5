"""A press counts for the button that was there when it began, though the page moves meanwhile."""

import pytest
from playwright.sync_api import expect

from support.pages import DESKTOP, PHONE
from support.real_host import standing_host

# Two buttons; push() puts a space of the height of a button above them.
BUTTONS = """() => {
  const main = document.querySelector("main");
  main.replaceChildren();
  window.pressed = [];
  for (const name of ["space", "first", "second"]) {
    const it = main.appendChild(document.createElement(name === "space" ? "div" : "button"));
    it.id = name;
    it.textContent = name;
    it.style.cssText = "display: block; margin: 0; padding: 0; width: 100%; height: 60px";
    it.addEventListener("click", () => { if (name !== "space") window.pressed.push(name); });
  }
  document.getElementById("space").style.height = "0";
  window.push = () => { document.getElementById("space").style.height = "60px"; };
}"""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with standing_host(tmp_path_factory.mktemp("presses")) as running:
        yield running


def middle(page, name):
    box = page.locator(f"#{name}").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("began_at", ["first", "second"])
def test_a_button_that_moves_away_from_the_pointer_is_pressed(host, tab, began_at):
    page = tab(DESKTOP).open("/")
    page.evaluate(BUTTONS)
    page.mouse.move(*middle(page, began_at))
    page.mouse.down()
    page.evaluate("push()")
    page.mouse.up()
    assert page.evaluate("pressed") == [began_at]
    page.locator("#first").click()
    page.locator("#second").press("Enter")
    assert page.evaluate("pressed") == [began_at, "first", "second"]


def test_a_press_that_is_dragged_away_presses_nothing(host, tab):
    page = tab(DESKTOP).open("/")
    page.evaluate(BUTTONS)
    page.mouse.move(*middle(page, "first"))
    page.mouse.down()
    page.mouse.move(*middle(page, "second"))
    page.mouse.up()
    assert page.evaluate("pressed") == []


def test_a_finger_presses_no_button_that_moves_under_it(host, tab):
    page = tab(PHONE).open("/")
    page.evaluate(BUTTONS)
    finger = page.context.new_cdp_session(page)
    x, y = middle(page, "second")
    finger.send("Input.dispatchTouchEvent", {
        "type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    page.evaluate("push()")
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("pressed.length > 0")
    assert page.evaluate("pressed") == ["second"]
    page.locator("#first").tap()
    expect(page.locator("#first")).to_be_visible()
    assert page.evaluate("pressed") == ["second", "first"]

"""A press counts for the button that was there when it began, though the page moves meanwhile."""

import pytest

from support.pages import DESKTOP, PHONE
from support.real_host import own_host
from support.wait import wait_until

# Two buttons; push() puts a space of the height of a button above them.
BUTTONS = """() => {
  const main = document.querySelector("main");
  main.replaceChildren();
  window.pressed = [];
  window.ended = false;
  addEventListener("mouseup", () => setTimeout(() => { window.ended = true; }), true);
  main.addEventListener("click", ({ target }) => {
    if (target.closest("button")) window.pressed.push(target.id);
  });
  for (const name of ["space", "first", "second", "third"]) {
    const it = main.appendChild(document.createElement(name === "space" ? "div" : "button"));
    it.id = name;
    it.textContent = name;
    it.style.cssText = "display: block; margin: 0; padding: 0; width: 100%; height: 60px";
  }
  document.getElementById("space").style.height = "0";
  window.push = () => { document.getElementById("space").style.height = "60px"; };
}"""

host = own_host


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


@pytest.mark.parametrize(("change", "pressed"), [
    ("push()", ["second"]),
    ("document.getElementById('second').remove()", []),
    ("for (const it of document.querySelectorAll('main *')) it.replaceWith(it.cloneNode(true));"
     "push()", []),
])
def test_a_finger_presses_no_button_that_came_under_it(host, tab, change, pressed):
    page = tab(PHONE).open("/")
    page.evaluate(BUTTONS)
    finger = page.context.new_cdp_session(page)
    x, y = middle(page, "second")
    finger.send("Input.dispatchTouchEvent", {
        "type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    page.evaluate(change)
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait_until(lambda: page.evaluate("ended"), 60, "the end of the tap")
    assert page.evaluate("pressed") == pressed
    page.locator("#first").tap()
    assert page.evaluate("pressed") == [*pressed, "first"]

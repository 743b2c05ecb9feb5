"""Bad connections and double taps: nothing is sent twice, no unknown outcome is shown."""

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.delayed_responses import is_live
from support.pages import DESKTOP, PHONE
from support.real_host import own_host
from support.wait import wait_until

UNKNOWN = ("No answer from the host: the result is unknown."
           " Check before you try again.")

host = own_host


@pytest.fixture
def node(host, request):
    """A node of its own, which reads."""
    node = host.node(request.function.__name__[5:20].replace("_", "-").strip("-"))
    node.read()
    return node


def test_a_stop_whose_answer_is_lost_is_confirmed_all_the_same(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")

    def loses_the_answer(route):
        route.fetch()
        route.abort()

    page.route("**/commands", loses_the_answer)
    page.get_by_role("button", name="Stop all dosing").click()
    expect(page.locator("#control .outcome")).to_contain_text(
        "Confirmed: the node stopped all dosing")
    assert [one.verb for one in node.commands] == ["stop"]


def test_a_stop_whose_request_is_lost_is_sent_again(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")
    lost = []

    def lose_two(route):
        if len(lost) == 2:
            route.continue_()
            return
        lost.append(route.request.post_data_json["id"])
        route.abort()

    page.route("**/commands", lose_two)
    with page.expect_request_finished(lambda one: one.url.endswith("/commands")) as sent:
        page.get_by_role("button", name="Stop all dosing").click()
    assert lost == [sent.value.post_data_json["id"]] * 2
    expect(page.locator("#control .outcome")).to_contain_text(
        "Confirmed: the node stopped all dosing")
    assert [one.verb for one in node.commands] == ["stop"]


def test_a_stop_that_the_host_could_not_take_is_sent_again(node, tab):
    """As behind a proxy while the host starts again."""
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")
    page.route("**/commands", lambda route: route.fulfill(status=503, json={}), times=2)
    page.get_by_role("button", name="Stop all dosing").click()
    expect(page.locator("#control .outcome")).to_contain_text(
        "Confirmed: the node stopped all dosing", timeout=10_000)
    assert [one.verb for one in node.commands] == ["stop"]


def test_a_stop_that_hangs_is_sent_again(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")
    page.route("**/commands", lambda route: None, times=2)
    page.clock.install()
    page.get_by_role("button", name="Stop all dosing").click()
    outcome = page.locator("#control .outcome")

    def is_confirmed():
        page.clock.run_for(1_000)
        return "Confirmed: the node stopped all dosing" in outcome.text_content()

    wait_until(is_confirmed, 30, "the third request")
    assert [one.verb for one in node.commands] == ["stop"]


def test_a_stop_without_a_network_says_to_press_again(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")
    page.route("**/commands", lambda route: route.abort())
    page.route("**/api/commands/*", lambda route: route.abort())
    page.get_by_role("button", name="Stop all dosing").click()
    expect(page.locator("#control .outcome")).to_have_text(
        "Failed: The host does not answer: press Stop again, a second one does no harm. "
        "In an emergency, switch it off at the node.")


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_refuses_to_look_is_not_said_to_be_silent(node, tab, status):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/water")
    page.route("**/commands", lambda route: route.abort())
    page.route("**/api/commands/*", lambda route: route.fulfill(
        status=status, json={"error": "Too many requests: wait a minute"}))
    page.get_by_role("button", name="Dose…").click()
    page.locator("#dose-sure [value=yes]").click()
    expect(page.locator("#dose .outcome")).to_have_text(
        "Failed: Too many requests: wait a minute")


def test_a_dose_that_was_not_sent_is_reported(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/water")
    page.route("**/commands", lambda route: route.abort())
    page.get_by_role("button", name="Dose…").click()
    page.locator("#dose-sure [value=yes]").click()
    expect(page.locator("#dose .outcome")).to_have_text(
        "Failed: The request did not reach the host: check the network, nothing was sent.")
    assert node.commands == []


def test_an_unknown_outcome_is_shown_and_corrected_later(node, tab):
    """The host is out of reach after a dose was asked for; then the stream tells of it."""
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/water")
    asked = []
    page.route("**/commands", lambda route: asked.append(route))
    page.route("**/api/commands/*", lambda route: route.abort())
    page.clock.install()
    page.get_by_role("button", name="Dose…").click()
    page.clock.run_for(500)
    with page.expect_request("**/commands"):
        page.locator("#dose-sure [value=yes]").click()
    page.clock.run_for(4_000)
    expect(page.locator("#dose .outcome")).to_contain_text("No answer yet.")
    page.clock.run_for(30_000)
    expect(page.locator("#dose .outcome")).to_have_text(f"Failed: {UNKNOWN}")
    assert node.commands == []
    request = asked[0].request
    assert post_again(page, request)["id"] == request.post_data_json["id"]
    expect(page.locator("#dose .outcome")).to_contain_text("Confirmed: 2.00 ml of pH down dosed")
    assert len(node.commands) == 1


def post_again(page, request):
    """Send an aborted request to the host with the same session."""
    body = dict(request.post_data_json)
    del body["until_unix_ms"]  # a busy machine needs longer
    return page.request.post(request.url, data=body, headers={
        "Origin": request.headers["referer"].split("/nodes/")[0]}).json()


def save(page):
    """Save the changed settings after their confirmation."""
    page.get_by_role("button", name="Save…", exact=True).click()
    page.locator("dialog[open] [value=yes]").click()


def test_setpoints_without_an_answer_are_not_said_to_be_saved(node, tab):
    page = tab(DESKTOP, worker=False).open(f"/nodes/{node.node}/water")
    page.route("**/config", lambda route: None)
    page.clock.install()
    page.fill("[name='ph.target']", "6.05")
    save(page)
    expect(page.locator("#settings .outcome")).to_have_text("Waiting for the host…")
    page.clock.run_for(25_000)
    expect(page.locator("#settings .outcome")).to_have_text(UNKNOWN)
    expect(page.locator("[name='ph.target']")).to_have_value("6.05")
    page.unroute_all(behavior="ignoreErrors")
    save(page)
    expect(page.locator("#settings .outcome")).to_contain_text(
        "Confirmed by the node: pH target 6.05")
    assert node.values["ph.target"] == 6.05


def test_a_double_tap_on_dose_asks_and_does_not_answer(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/water")
    page.evaluate("""() => {
      document.querySelector("#dose").requestSubmit();
      document.querySelector("#dose-sure [value=yes]").click();
    }""")
    expect(page.locator("#dose-sure")).to_be_visible()
    page.locator("#dose-sure [value=yes]").dblclick()
    expect(page.locator("#dose .outcome")).to_contain_text("Confirmed: 2.00 ml of pH down dosed")
    assert len(node.commands) == 1


def test_a_double_tap_takes_back_one_filling(host, node, tab):
    path = f"/api/nodes/{node.node}/bottles/ph_down"
    for volume_ml in (500, 600, 700):
        assert host.client.put(path, json={"volume_ml": volume_ml}).status_code == 200
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/water")
    acid = page.locator("#bottles li[data-doser=ph_down]")
    expect(acid).to_contain_text("700 of 700 ml")
    acid.get_by_role("button", name="Undo").evaluate("it => { it.click(); it.click(); }")
    expect(acid).to_contain_text("600 of 600 ml")
    expect(acid.get_by_role("button", name="Undo")).to_be_enabled()
    found = host.client.get(f"/api/nodes/{node.node}/bottles").json()["bottles"]
    assert next(one for one in found if one["doser"] == "ph_down")["volume_ml"] == 600


def test_a_double_tap_makes_one_token_and_says_so(host, tab):
    page = tab(DESKTOP, role=Role.ADMIN, worker=False).page
    page.goto(f"{host.url}/users")
    page.locator("#make-token").evaluate("it => { it.parentElement.open = true; }")
    page.fill("#make-token [name=name]", "grafana")
    page.locator("#make-token [type=submit]").evaluate("it => { it.click(); it.click(); }")
    expect(page.locator("#make-token .secret code")).not_to_be_empty()
    expect(page.locator("#make-token .outcome")).to_have_text("grafana created.")
    expect(page.locator("#tokens li")).to_have_count(1)


def test_a_double_tap_begins_one_calibration(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/calibrate")
    page.locator("#choose button", has_text="pH").first.evaluate(
        "it => { it.click(); it.click(); }")
    expect(page.locator("#walk .do")).to_be_visible()
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_tap_on_the_next_stage_is_taken_once(host, node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/crop")
    path = f"/api/nodes/{node.node}/recipe"
    assert host.client.post(path, json={"recipe": "lettuce"}).status_code in (200, 201)
    page.get_by_role("button", name="Next stage…").dblclick()
    page.get_by_role("button", name="Start next stage").dblclick()
    expect(page.locator("#recipe .where")).to_contain_text("Stage 2 of 3")
    is_live(page)


def test_a_stop_does_not_wait_behind_history(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/log")
    held = []

    def under_way():
        page.evaluate("0")  # lets playwright bring what was asked
        return [one for one in held if not one.request.failure]

    page.route("**/api/nodes/*/**", lambda route: held.append(route)
               if route.request.method == "GET" else route.continue_())
    for name in ("Last night", "Last 24 hours", "Last night"):
        page.get_by_role("button", name=name).click()
    page.locator("#why select").select_option(label="Doses and runs")
    page.get_by_role("button", name="Stop all dosing").click()
    expect(page.locator("#control .outcome")).to_contain_text(
        "Confirmed: the node stopped all dosing")
    wait_until(lambda: len(under_way()) >= 4, 10, "four questions at a time")
    assert len(under_way()) == 4
    page.unroute_all(behavior="ignoreErrors")

"""A stop over the answers of the last stop."""

from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.pages import PHONE, MonitoredTab
from support.real_host import own_host
from support.wait import wait_until

host = own_host


def test_a_stop_over_the_answers_of_the_last_one_is_sent_too(browser, host):
    nodes = [host.node(f"basil-{number}") for number in (1, 2)]
    tab = MonitoredTab(browser, host.url, PHONE, "light", host.session_of(Role.OPERATOR))
    page = tab.open("/")
    page.locator("#stop-bar .stop").click()
    page.locator("#stop-sure [value=yes]").click()
    done = page.locator("#stop-results [data-state=done]")
    expect(done).not_to_have_count(0)
    wait_until(lambda: page.evaluate("0") or all(node.commands for node in nodes), 10, "a stop")
    for node in nodes:
        node.tell("resumed", {"by": "ben"})
    sent = [len(node.commands) for node in nodes]
    page.keyboard.press("F8")
    wait_until(lambda: page.evaluate("0") or all(
        len(node.commands) > count for node, count in zip(nodes, sent, strict=True)), 10, "both")
    assert {command.verb for node in nodes for command in node.commands} == {"stop"}
    tab.check()
    tab.close()

"""`idroserra watch` in a terminal: screen contents and keys."""

import asyncio
import html
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from idro.protocol.reason import Reason
from idroserra.client.http import HostClient
from idroserra.terminal.tui.app import WatchApp
from idroserra.terminal.tui.node_feed import NodeFeed

WAIT_S = 60


class Terminal:
    """A watch that runs: .shows(text) waits for text, .press(keys) presses them."""

    def __init__(self, app, pilot):
        self.app, self._pilot = app, pilot

    def text(self):
        """Return what is on the screen, a line each."""
        lines = {}
        for y, found in re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>(.*?)</text>',
                                   self.app.export_screenshot()):
            lines.setdefault(float(y), []).append(html.unescape(found).replace("\xa0", " "))
        return "\n".join("".join(parts) for _, parts in sorted(lines.items()))

    async def shows(self, *texts):
        """Wait until every text is on the screen."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            shown = self.text()
            if all(text in shown for text in texts):
                return
            await self._pilot.pause(0.3)
        missing = [text for text in texts if text not in self.text()]
        raise AssertionError(f"not shown: {missing}\n{self.text()}")

    async def press(self, *keys):
        await self._pilot.press(*keys)


@pytest.fixture
def terminal(host):
    """terminal(script, size): run an async script against a watch of the host."""

    def run(script, size=(120, 40)):
        watcher = NodeFeed(HostClient(host.url), None, with_events=True)
        watcher.load()

        async def play():
            app = WatchApp(watcher)
            async with app.run_test(size=size) as pilot:
                await script(Terminal(app, pilot))

        # In a thread: the browser tests leave a loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, play()).result()

    return run


def test_it_shows_readings_bands_a_chart_and_why(host, node, terminal):
    node.live(30)
    node.tell("decided", {"loop": "ph", "reason": Reason("mixing", left_ms=240_000)})

    async def script(watch):
        await watch.shows("idro-a", "pH", "EC", "1.59 mS/cm", "5.60–6.00", "pH, the last hour",
                          "pH control: the water is mixing, 4 min left", "no active alarms")
        await watch.press("down", "2")
        await watch.shows("EC, the last day")
        await watch.press("w")
        await watch.shows("events")
        assert "pH control" not in watch.text()
        node.read({"reservoir.ph": 5.91})
        await watch.shows("5.91")

    terminal(script)


def test_a_stop_is_sent_at_once_and_a_resume_after_a_question(host, node, terminal):
    node.live(2)

    async def script(watch):
        await watch.shows("1.59 mS/cm")
        await watch.press("s")
        await watch.shows("idro-a: stop confirmed")
        node.answer, node.reason = "refused", Reason("latch_no_effect")
        await watch.press("r")
        await watch.shows("Resume dosing of idro-a?")
        await watch.press("y")
        await watch.shows("idro-a: resume refused: doses had no effect")

    terminal(script)
    assert [command.verb for command in node.commands] == ["stop", "resume"]


@pytest.mark.parametrize(("key", "question"), [
    ("a", "Action:"), ("r", "Resume dosing of idro-a?")])
def test_a_stop_works_over_a_question_and_closes_it(host, node, terminal, key, question):
    node.live(2)
    node.tell("latched", {"reason": "three doses of ph_down had no effect"})

    async def script(watch):
        await watch.shows("1 alarm")
        await watch.press(key)
        await watch.shows(question)
        await watch.press("s")
        await watch.shows("idro-a: stop confirmed")
        assert question not in watch.text()

    terminal(script)
    assert [command.verb for command in node.commands] == ["stop"]


def test_alarms_are_shown_explained_and_acknowledged(host, node, terminal):
    node.live(2)
    node.tell("latched", {"reason": "three doses of ph_down had no effect"})

    async def script(watch):
        await watch.shows("1 alarm", "Dosing is locked")
        await watch.press("a")
        await watch.shows("Action:", "Consequence:", "not acknowledged, since")
        await watch.press("enter")
        await watch.shows("acknowledged: dosing_latched/idro-a")

    terminal(script)
    alarms = host.client.get("/api/alarms").json()["alarms"]
    assert [one["state"] for one in alarms] == ["acknowledged"]


def test_the_next_node_is_a_key_away_and_the_worst_comes_first(
        host, node, terminal, eventually):
    other = host.node("idro-b")
    node.live(2)
    other.live(2)
    other.read(faults={"reservoir.ph": "flat"})
    eventually(lambda: host.view("idro-b")["state"]["level"] == "bad", 10, "the worse state")

    async def script(watch):
        await watch.shows("idro-a", "idro-b", "flat")
        first = watch.text()
        assert first.index("idro-b") < first.index("idro-a")
        assert "All is well" not in first
        await watch.press("n")
        await watch.shows("All is well")
        await watch.press("question_mark")
        await watch.shows("stop dosing", "month")

    terminal(script)


def test_a_small_terminal_has_room_for_what_matters(host, node, terminal):
    node.live(2)

    async def script(watch):
        await watch.shows("1.59 mS/cm", "5.60–6.00")
        assert "the last hour" not in watch.text()

    terminal(script, size=(80, 24))


def test_a_lost_host_is_shown(host, node, terminal):
    node.live(2)

    async def script(watch):
        await watch.shows("1.59 mS/cm")
        await asyncio.to_thread(host.stop)
        await watch.shows("✗ no host answers")

    terminal(script)


def test_a_host_without_nodes_says_so(host, terminal):
    async def script(watch):
        await watch.shows("No node has reported yet.")
        await watch.press("s", "n")

    terminal(script)

"""Measures the page: first paint and bytes, live update, charts of 30 days, and 50 open tabs.

    python bench/bench_page.py [--days 30] [--nodes 20] [--only paint live chart tabs]

A host of its own on loopback with SQLite, 20 nodes whose past is filled as bench_store.py fills
it, and a headless Chromium. Docs: bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from bench_page_tabs import tabs  # noqa: E402
from bench_store import CHANNELS, DAY_MS, HOUR_MS, fill  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from idroserra.auth.roles import Role  # noqa: E402
from idroserra.broker.local import Broker  # noqa: E402
from support.page_bytes import page_bytes  # noqa: E402
from support.pages import DESKTOP, PHONE, launch  # noqa: E402
from support.paho_node import CHANNELS as NODE_CHANNELS  # noqa: E402
from support.real_host import Host  # noqa: E402
from support.wait import wait_until  # noqa: E402

ROUNDS = 7
SPEEDS = {"desktop": (DESKTOP, 1, None), "phone, CPU 4x slower": (PHONE, 4, None),
          "the same over Wi-Fi, 30 ms": (PHONE, 4, 30)}
_PAINTED = """() => new Promise((resolve) => {
  const look = () => {
    const shown = document.querySelectorAll('#fleet tbody tr, .node-card .tile .value').length;
    if (!shown) return requestAnimationFrame(look);
    requestAnimationFrame(() => setTimeout(() => {
      const [first] = performance.getEntriesByName('first-contentful-paint');
      resolve([first ? first.startTime : NaN, performance.now()]);
    }));
  };
  look();
})"""
_SEEN = """(text) => new Promise((resolve) => {
  const tile = document.querySelector('.tile[data-channel="reservoir.ph"] .value');
  const look = () => {
    if (!tile.textContent.includes(text)) return requestAnimationFrame(look);
    requestAnimationFrame(() => setTimeout(() => resolve(Date.now())));
  };
  look();
})"""
_CLICK = """(name) => new Promise((resolve) => {
  const began = performance.now();
  document.getElementById('stack').addEventListener('shown', () => requestAnimationFrame(
    () => setTimeout(() => resolve(performance.now() - began))), {once: true});
  document.querySelector(`#ranges [data-range='${name}']`).click();
})"""


def main() -> None:
    """Fill the store, then measure one after the other."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--days", type=int, default=30)
    asked.add_argument("--nodes", type=int, default=20)
    asked.add_argument("--only", nargs="*", choices=("paint", "live", "chart", "tabs"))
    given = asked.parse_args()
    wanted = given.only or ("paint", "live", "chart", "tabs")
    with tempfile.TemporaryDirectory(prefix="idroserra-bench-") as folder:
        broker = Broker(Path(folder) / "broker", "mosquitto")
        broker.start()
        host = Host(Path(folder) / "host", broker.port, wait_until)
        try:
            names = [f"bench-{number:02}" for number in range(given.nodes)]
            if "chart" in wanted:
                past(host, names, given.days)
            nodes = [host.node(name) for name in names]
            for node in nodes:
                node.live(60)
            with sync_playwright() as playwright:
                browser = launch(playwright)
                for name, measure in (("paint", paint), ("live", live), ("chart", chart)):
                    if name in wanted:
                        measure(browser, host, nodes)
                browser.close()
            if "tabs" in wanted:
                tabs(host, given.nodes)
        finally:
            host.stop()
            broker.stop()


def past(host: Host, names: list[str], days: int) -> None:
    """Fill the store every 10 s: one channel of each node, all charted channels of the first."""
    begin_ms = (time.time_ns() // 1_000_000 // HOUR_MS) * HOUR_MS - days * DAY_MS
    channels = [channel for channel in CHANNELS if channel in NODE_CHANNELS]
    store = host.service.store
    count, *_ = fill(store, names[1:], channels[:1], days, 10_000, begin_ms)
    more, *_ = fill(store, names[:1], channels, days, 10_000, begin_ms)
    print(f"{count + more:,} points of {len(names)} nodes, {len(channels)} channels of the first,"
          f" every 10 s, {days} days")


def paint(browser: Browser, host: Host, nodes: list) -> None:
    """Measure first paint and transfer of the overview with an empty cache."""
    print(f"\n{'overview, ' + str(len(nodes)) + ' nodes, nothing cached':<44}"
          f"{'first paint':>13}{'readings':>11}   ms, median of {ROUNDS}")
    for name, (size, slower, delay_ms) in SPEEDS.items():
        found = [one_paint(browser, host, size, slower, delay_ms) for _ in range(ROUNDS)]
        first, readings = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{name:<44}{first:>13.0f}{readings:>11.0f}")
    total, requests = page_bytes(browser, host)
    print(f"{total / 1_000:.1f} kB transferred in {requests} requests")


def one_paint(
    browser: Browser, host: Host, size: dict[str, int], slower: int, delay_ms: int | None
) -> tuple[float, float]:
    """Return the times to (first contentful paint, readings on screen), ms."""
    page = tab(browser, host, size)
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    if delay_ms is not None:  # a mid-range phone in the next room: 20 Mbit/s
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", {
            "offline": False, "latency": delay_ms, "downloadThroughput": 2_500_000,
            "uploadThroughput": 1_000_000})
    page.goto(host.url, wait_until="commit")
    found = page.evaluate(_PAINTED)
    page.context.close()
    return found[0], found[1]


def live(browser: Browser, host: Host, nodes: list) -> None:
    """Measure from the reading at the node to the screen of an open page."""
    page = tab(browser, host, DESKTOP)
    page.goto(f"{host.url}/nodes/{nodes[0].node}")
    page.wait_for_selector("#link[data-state=live]")
    took = []
    for number in range(20):
        value = 5.5 + 0.02 * number
        sent_ms = time.time() * 1_000
        nodes[0].read({"reservoir.ph": value})
        took.append(page.evaluate(_SEEN, f"{value:.2f}".replace(".", ",")) - sent_ms)
    page.context.close()
    print(f"\nlive update, reading to screen: median {statistics.median(took):.0f} ms,"
          f" worst of {len(took)} {max(took):.0f} ms")


def chart(browser: Browser, host: Host, nodes: list) -> None:
    """Measure from the click on a range to its charts on screen."""
    print(f"\n{'chart of all of a node, click to screen':<44}{'median':>13}{'worst':>11}   ms")
    for name, (size, slower, _delay_ms) in list(SPEEDS.items())[:2]:
        page = tab(browser, host, size)
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
        page.goto(f"{host.url}/nodes/{nodes[0].node}/charts?range=24h")
        page.wait_for_selector("#link[data-state=live]")
        for span in ("30d", "7d"):
            took = []
            for _ in range(ROUNDS):
                page.evaluate(_CLICK, "1h")
                took.append(page.evaluate(_CLICK, span))
            print(f"{name + ', ' + span:<44}{statistics.median(took):>13.0f}{max(took):>11.0f}")
        page.context.close()


def tab(browser: Browser, host: Host, size: dict[str, int]) -> Page:
    """Return a new tab with an empty cache, logged in."""
    context = browser.new_context(viewport=size, locale="it-IT", has_touch=size is PHONE,
                                  timezone_id="Europe/Rome")
    name, value = host.session_of(Role.OPERATOR)
    context.add_cookies([{"name": name, "value": value, "url": host.url}])
    return context.new_page()


if __name__ == "__main__":
    main()

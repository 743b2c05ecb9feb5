"""Measures ingest beside 50 open tabs: a part of bench_page.py."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
from playwright.sync_api import sync_playwright
from rich.progress import track

from idroserra.auth.roles import Role
from support.pages import launch
from support.paho_node import PahoNode
from support.real_host import KEY
from support.wait import wait_until

SPAWN = multiprocessing.get_context("spawn")
READERS, REAL = 47, 3
ROUNDS = 4
BURST = 3_000
STEADY_S, STEADY_PER_S = 15, 40


class Measured(NamedTuple):
    """Records stored per second in a burst, CPU ms of the host per record; median and p99 of the
    ms from reading to down/stored at a steady rate."""

    per_s: float
    cpu_ms: float
    median_ms: float
    p99_ms: float


def tabs(host: Any, count: int) -> None:
    """Measure throughput and latency alternately without and with 50 tabs."""
    found: dict[str, list[Measured]] = {"none": [], "50": []}
    names = [f"load-{number:02}" for number in range(count)]
    for name in names:
        host.service.nodes.adopt(name, KEY)
    here, there = SPAWN.Pipe()
    load = SPAWN.Process(target=send_all, args=(names, host.broker_port, there), daemon=True)
    load.start()
    here.recv()
    measured(host, here)  # warm-up
    for _ in track(range(ROUNDS), "50 tabs"):
        found["none"].append(measured(host, here))
        with opened(host):
            found["50"].append(measured(host, here))
    here.send("end")
    load.join()
    print(f"\n{'open tabs':<12}{'max. records/s':>19}{'CPU ms/record':>17}"
          f"{f'ms to stored at {STEADY_PER_S}/s':>24}{'p99':>8}")
    none, fifty = (Measured(*map(statistics.median, zip(*rounds, strict=True)))
                   for rounds in found.values())
    for name, one in (("none", none), ("50", fifty)):
        print(f"{name:<12}{one.per_s:>19.0f}{one.cpu_ms:>17.2f}"
              f"{one.median_ms:>24.0f}{one.p99_ms:>8.0f}")
    ratio = Measured(*(many / few for many, few in zip(fifty, none, strict=True)))
    print(f"{'50 / none':<12}{ratio.per_s:>19.2f}{ratio.cpu_ms:>17.2f}"
          f"{ratio.median_ms:>24.2f}{ratio.p99_ms:>8.2f}")


def measured(host: Any, load: Any) -> Measured:
    """Measure a burst, then a steady rate."""
    before = stored(host)
    began_s, cpu_began_s = time.monotonic(), time.process_time()
    load.send("burst")
    sent = load.recv()
    wait_until(lambda: stored(host) - before >= sent, 120, "the burst to be stored")
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_began_s
    load.send("steady")
    return Measured(sent / took_s, cpu_s / sent * 1_000, *load.recv())


def stored(host: Any) -> int:
    """Return the number of records committed by the host."""
    return sum(one.get("stored", 0) for one in host.service.counts()["nodes"].values())


def send_all(names: list[str], port: int, asked: Any) -> None:
    """Run the nodes in a process: execute the orders from the pipe until "end"."""
    nodes = [PahoNode(name, port, KEY) for name in names]
    for node in nodes:
        node.announce()
    asked.send("ready")
    while (order := asked.recv()) != "end":
        asked.send(burst(nodes) if order == "burst" else steady(nodes))
    for node in nodes:
        node.close()


def burst(nodes: list[Any]) -> int:
    """Send records as fast as the broker accepts them; return their number."""
    each = BURST // len(nodes)

    def send(node: Any) -> None:
        for _ in range(each):
            node.read()

    threads = [threading.Thread(target=send, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return each * len(nodes)


def steady(nodes: list[Any]) -> tuple[float, float]:
    """Send at STEADY_PER_S; return median and p99 of the ms until down/stored arrives."""
    took: list[float] = []
    deadline = time.monotonic() + STEADY_S
    for node in itertools.cycle(nodes):
        if time.monotonic() > deadline:
            break
        sent_s, seq = time.monotonic(), node.read()
        while max(node.stored_upto.values(), default=0) < seq:
            time.sleep(0.001)
        took.append((time.monotonic() - sent_s) * 1_000)
        time.sleep(max(0.0, 1 / STEADY_PER_S - took[-1] / 1_000))
    return statistics.median(took), statistics.quantiles(took, n=100)[98]


@contextmanager
def opened(host: Any) -> Iterator[None]:
    """Open 50 tabs in another process at low priority, as they would run on other machines."""
    name, value = host.session_of(Role.VIEWER)
    ready, end = SPAWN.Value("i", 0), SPAWN.Event()
    reader = SPAWN.Process(target=look_all, args=(host.url, name, value, ready, end))
    reader.start()
    try:
        wait_until(lambda: ready.value == READERS + REAL, 120, "the tabs")
        yield
    finally:
        end.set()
        reader.join()


def look_all(url: str, name: str, value: str, ready: Any, end: Any) -> None:
    """Run 47 readers of the live stream, and 3 tabs of a real Chromium, until `end`."""
    os.nice(19)

    def count_ready() -> None:
        with ready.get_lock():
            ready.value += 1

    def read() -> None:
        with httpx.stream("GET", f"{url}/api/live", headers={"Cookie": f"{name}={value}"},
                          timeout=None, trust_env=False) as answer:
            count_ready()
            for _ in answer.iter_raw():
                if end.is_set():
                    return

    threads = [threading.Thread(target=read, daemon=True) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for _ in range(REAL):
            context = browser.new_context(locale="it-IT")
            context.add_cookies([{"name": name, "value": value, "url": url}])
            page = context.new_page()
            page.goto(url)
            page.wait_for_selector("#link[data-state=live]")
            count_ready()
        end.wait()
        browser.close()

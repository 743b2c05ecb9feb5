"""Reports the result of a demo: records sent by each node, stored by the host, and lost.

"Sent" is counted below the firmware, on the node's socket; "stored" are those of them that the
store has taken. "Sent" is sampled first; then the host gets time to store those records while the
nodes continue.
"""

from __future__ import annotations

import time
from typing import Any

from idroserra.core.errors import StoreError
from idroserra.demo.app import Demo
from idroserra.demo.greenhouse import Greenhouse

SETTLE_DEADLINE_S = 30.0


def settle(demo: Demo) -> dict[str, Any]:
    """Return the report: {"nodes": [...], "store", "image_sha256", "ok"}. Waits for the host at
    most SETTLE_DEADLINE_S."""
    sent = {greenhouse.node: greenhouse.sent() for greenhouse in demo.greenhouses}
    deadline = time.monotonic() + SETTLE_DEADLINE_S
    while not (is_settled := _is_settled(demo, sent)) and time.monotonic() < deadline:
        time.sleep(0.1)
    counts = demo.service.counts()
    nodes = [_node_report(demo, g, sent[g.node], counts["nodes"][g.node], is_settled)
             for g in demo.greenhouses]
    failures = demo.failures()
    if counts["store"]["state"] != "ok":
        failures.append(f"store: {counts['store']['state']}")
    failures += [f"{node['node']}: the store keeps nothing of {node['refused']:,} records: older"
                 " than its retention, or rejected (idroserra rejected)"
                 for node in nodes if node["refused"]]
    try:
        info = demo.service.store.info()
        store = {"kind": info.kind, "points": info.points, "events": info.events}
    except StoreError as error:
        store = None
        failures.append(f"store: {error.why}")
    return {
        "nodes": nodes,
        "store": store,
        "image_sha256": demo.image.image_sha256,
        "broker": demo.broker_kind,
        "rejected": counts["rejected"],
        "failures": failures,
        "ok": not failures and all(n["sent"] > 0 and n["sent"] == n["stored"] for n in nodes)
        and not any(n["lost"] for n in nodes),
    }


def _is_settled(demo: Demo, sent: dict[str, dict[str, dict[str, int]]]) -> bool:
    if demo.service.spool.depth:
        return False
    return all(
        demo.service.spool.stored_upto(node, boot_id) >= seq
        for node, parts in sent.items()
        for boots in parts.values()
        for boot_id, seq in boots.items()
    )


def _node_report(
    demo: Demo, greenhouse: Greenhouse, sent: dict[str, dict[str, int]], counts: dict[str, int],
    is_settled: bool,
) -> dict[str, Any]:
    # The live node sends again what it cannot know to be stored from the end of its history.
    newest = sent["history"] | sent["live"]
    received = sum(min(seq, demo.service.spool.stored_upto(greenhouse.node, boot_id))
                   for boot_id, seq in newest.items())
    # Once settled only newer records wait for the store.
    waiting = 0 if is_settled else counts["received"] - counts["stored"] - counts["refused"]
    known = demo.service.nodes.get(greenhouse.node)
    info = known.info
    return {
        "node": greenhouse.node,
        "online": known.online,
        "sent": sum(newest.values()),
        "stored": max(0, received - counts["lost"] - counts["refused"] - waiting),
        "refused": counts["refused"],
        "lost": counts["lost"],
        "duplicates": counts["duplicates"],
        "live": {"sent": sum(sent["live"].values())},
        "history": {"sent": sum(sent["history"].values()),
                    "done_ms": greenhouse.history_done_ms, "total_ms": greenhouse.history_ms},
        "image_sha256": info.image_sha256 if info is not None else None,
        "last": demo.service.live.channels(greenhouse.node),
    }

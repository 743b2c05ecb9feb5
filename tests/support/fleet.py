"""Twenty nodes at three sites: one with faults, one with old readings, one stopped."""

from idro.protocol.reason import Reason

SITES = {"Nord": 7, "Sud": 7, "Città Alta": 6}


def fleet(host, wait):
    """Add the fleet to a host; return {site: [node]} in order of creation.

    The first node of Nord has a probe in air and an alarm, the second has old readings; the first
    of Sud is stopped."""
    made = {}
    for site, count in SITES.items():
        stem = site.split()[0].lower().replace("à", "a")
        for number in range(1, count + 1):
            node = host.node(f"{stem}-{number}")
            host.service.nodes.move(node.node, site)
            made.setdefault(site, []).append(node)
    read(host, wait, made)
    # An alarm without delay.
    made["Nord"][0].tell("latched", {"reason": Reason("latch_no_effect")})
    made["Sud"][0].tell("stopped", {"by": "anna"})
    wait(lambda: host.view("sud-1")["dosing"]["state"] == "stopped", 60, "the stop")
    return made


def read(host, wait, made):
    """Let every node read: readings of before other tests may be old by now."""
    for nodes in made.values():
        for node in nodes:
            if node.node == "nord-2":
                node.read(ago_ms=3_600_000)
            elif node.node == "nord-1":
                node.read(faults={"reservoir.ph": "in_air"})
            else:
                node.read({"reservoir.temp_c": 20.5}, at_ms=(newest := node.at_ms))
    wanted_unix_ms = newest + node._boot_unix_ms
    wait(lambda: (host.view(node.node)["channels"]["reservoir.temp_c"]["unix_ms"] or 0)
         >= wanted_unix_ms, 60, "the reading of the last one")

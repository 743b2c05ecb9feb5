"""Twenty nodes at three sites: one with faults and an offline node, one stopped, one healthy."""

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
            if site == "Nord" and number == 2:
                node.read(ago_ms=3_600_000)
            elif site == "Nord" and number == 1:
                node.read(faults={"reservoir.ph": "in_air"})
            else:
                node.read()
    # An alarm without delay.
    made["Nord"][0].tell("latched", {"reason": Reason("latch_no_effect")})
    made["Sud"][0].tell("stopped", {"by": "anna"})
    wait(lambda: all(host.view(node.node)["channels"]["reservoir.temp_c"]["unix_ms"]
                     for nodes in made.values() for node in nodes), 60, "the fleet")
    wait(lambda: host.view("sud-1")["dosing"]["state"] == "stopped", 60, "the stop")
    return made

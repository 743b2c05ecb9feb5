"""A real host that follows others: real ones, and servers that fail in every way."""

from contextlib import ExitStack, contextmanager

from idro.protocol.reason import Reason
from idroserra.auth.roles import Role
from idroserra.broker.local import Broker
from support.raw_server import answer, drip, hang, raw_server
from support.real_host import Host

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
SECRET = "idro_secret-of-no-host"
_LIAR = ('{"unix_ms": 5, "level": "ok", "version": "%s", "parts": {"failures": {"%s": "%s"}},'
         ' "nodes": {"no_contact": 0, "stopped": 0, "attention": 1, "fine": 0},'
         ' "worst": {"node": "../..", "title": "%s", "site": "%s", "level": "bad",'
         ' "reason": {"code": "bees", "values": {}, "text": "%s"}, "since_unix_ms": 1},'
         ' "sites": [],'
         ' "alarms": {"count": 7, "unacknowledged": 7, "first": [{"title": "%s", "reason": null,'
         ' "priority": "low", "site": "%s", "node": "javascript:1", "node_title": "%s",'
         ' "raised_unix_ms": 9}]}}').replace("%s", HOSTILE.replace('"', "'"))
# Name: how it behaves. Each is a host of the configuration.
BEHAVIOURS = {
    "Hanging": hang,
    "Dripping": drip(b"HTTP/1.1 200 OK\r\nA: ", b"x"),
    "Garbage": answer(b"\0\xff<html>"),
    "Huge": answer(b"x" * 10_000_000),
    "Older": answer(b'{"unix_ms": 5, "level": "ok", "version": "0.0.1"}'),
    "Liar": answer(_LIAR.encode()),
}


def token_of(host, role=Role.VIEWER, name="overview"):
    """Return a new token of a host."""
    return host.service.access.tokens.make(name, role, "tests")


@contextmanager
def several_hosts(folder, wait, count=0):
    """Yield (home, north), each with its own broker: `home` follows `north`, which has a node
    with an alarm, the same with a refused token, BEHAVIOURS, and `count` times `north` again."""
    with ExitStack() as opened:
        brokers = [Broker(folder / name, "mosquitto") for name in ("of-north", "of-home")]
        for broker in brokers:
            broker.start()
            opened.callback(broker.stop)
        north = Host(folder / "north", brokers[0].port, wait, more={"site": "Valley"})
        opened.callback(north.stop)
        node = north.node("idro-n")
        node.tell("latched", {"reason": Reason("latch_no_effect")})
        node.read()
        wait(lambda: north.client.get("/api/alarms").json()["alarms"], 60, "an alarm")
        wait(lambda: north.view("idro-n")["state"]["level"] == "bad", 60, "the state")
        token = token_of(north)

        def other(name, url, token):
            file = folder / f"{name}.token"
            file.write_text(f"{token}\n")
            return {"name": name, "url": url, "token_file": str(file)}

        others = [other("North", north.url, token), other("Refused", north.url, SECRET)]
        others += [other(name, opened.enter_context(raw_server(behave)).url, SECRET)
                   for name, behave in BEHAVIOURS.items()]
        others += [other(f"Farm {number}", north.url, token) for number in range(count)]
        home = Host(folder / "home", brokers[1].port, wait, more={
            "site": "Home", "other_host": others})
        opened.callback(home.stop)
        yield home, north

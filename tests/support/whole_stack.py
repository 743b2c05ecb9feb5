"""Everything that a site may run: broker with TLS, host, nodes, InfluxDB, a feed, Home Assistant.

The nodes speak plain MQTT, so that what they send is counted, each to a link of its own that
speaks TLS with the certificate of the node.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from idroserra.broker.access import HOME_ASSISTANT
from idroserra.core.config import load_config
from idroserra.history.models import EventPoint, Instant
from idroserra.history.sqlite.store import SqliteStore
from idroserra.ingest.spool import PendingBatch
from idroserra.ingest.store_writer import events_of, instants_of
from idroserra.server.service import Service
from support.databases import Influxd
from support.e2e_stack import EVERY_RECORD, KEY, EndToEndStack, read_rows
from support.home_assistant import FakeHomeAssistant
from support.line_rig import Rig, trusting
from support.tcp_link import TcpLink

STORE, FEED = "history", "fed"  # databases


class Records(NamedTuple):
    """The telemetry records of a node by their time in unix_ms, and its events by their number."""

    instants: frozenset[int]
    events: frozenset[int]


class WholeStack(EndToEndStack):
    """A context manager. `store` is "sqlite" or "influx"; `asleep` are adopted nodes that have
    certificates and do not run, `others` have certificates only."""

    broker: Rig

    def __init__(self, folder: Path, store: str, nodes: tuple[str, ...], asleep: tuple[str, ...],
                 others: tuple[str, ...]) -> None:
        self.influx = Influxd(folder / "influx")
        self.asleep = asleep
        self.is_influx = store == "influx"
        rig = Rig(folder / "host", (*nodes, *asleep, *others, HOME_ASSISTANT), folder / "broker")
        cert, key = rig.files("host")
        database = {"url": self.influx.url, "write_api": "v1"}
        super().__init__(
            folder, nodes, {"kind": "influx", "database": STORE, **database}
            if self.is_influx else {}, broker=rig, more={
                "mqtt": {"url": f"mqtts://127.0.0.1:{rig.host_port}", "username": "host",
                         "ca_file": str(rig.tls / "ca.pem"), "cert_file": str(cert),
                         "key_file": str(key)},
                "feed": [{"name": FEED, "database": FEED, **database}],
                "homeassistant": {"enabled": True}})
        self._links = {name: TcpLink(rig.node_port, trusting(rig, rig.files(name)))
                       for name in nodes}

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for one in (self.influx, *self._links.values()):
                opened.enter_context(one)
            opened.callback(super().__exit__)
            super().__enter__()
            self.home_assistant = FakeHomeAssistant(
                self.broker.node_port, trusting(self.broker, self.broker.files(HOME_ASSISTANT)))
            opened.callback(self.home_assistant.close)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def port_of(self, name: str) -> int:
        return self._links[name].port

    def _adopt(self) -> None:
        super()._adopt()
        service = Service(load_config(overrides=self._overrides))
        for name in self.asleep:
            service.nodes.adopt(name, KEY)
        service.stop()

    def in_influx(self, database: str, node: str) -> Records:
        """Return the records in a database of InfluxDB. Fails if one is there twice."""
        quantity = EVERY_RECORD.split(".")[1]
        samples, events = (self.influx.rows(query, database) for query in (
            f"SELECT {quantity} FROM sample WHERE node='{node}'",  # noqa: S608
            f"SELECT seq FROM event WHERE node='{node}'"))  # noqa: S608
        return _once([at_ns // 1_000_000 for at_ns, _ in samples], [seq for _, seq in events])

    def in_sqlite(self, node: str) -> Records:
        """Return the records in the store of a stopped host. Fails if one is there twice."""
        store = SqliteStore(self.folder / "host" / "store.db")
        first, last = store.spans()[node]
        found = _records(store.instants(node, first, last + 1),
                         store.events(node, first, last + 1))
        store.close()
        return found

    def highest_seqs(self, node: str) -> int:
        """Return the highest number of a record that the host has received, summed over boots.

        Unlike received(), it does not end at the records that came between backup and restore."""
        rows = read_rows(
            self.folder / "host" / "spool.db", "SELECT max(last) FROM boots JOIN seen USING (boot)"
            " WHERE node=? GROUP BY boot", node)
        return sum(last for last, in rows)

    def in_spool(self, node: str) -> Records:
        """Return the records that wait for the store of a stopped host."""
        rows = [PendingBatch(*row) for row in read_rows(
            self.folder / "host" / "spool.db", "SELECT * FROM pending WHERE node=?", node)]
        return _records([one for row in rows if row.leaf != "event" for one in instants_of(row)],
                        [one for row in rows if row.leaf == "event" for one in events_of(row)])


def _records(instants: Iterable[Instant], events: Iterable[EventPoint]) -> Records:
    return _once([one.unix_ms for one in instants if EVERY_RECORD in one.values],
                 [one.seq for one in events])


def _once(instants: list[int], events: list[int]) -> Records:
    found = Records(frozenset(instants), frozenset(events))
    assert len(found.instants) == len(instants), "an instant is there twice"
    assert len(found.events) == len(events), "an event is there twice"
    return found

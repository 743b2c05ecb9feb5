"""Fuzzed messages of nodes create only their own series and fields in a real InfluxDB."""

import json
import random
from itertools import islice

import pytest

from campaigns.fuzz import mutate, seeds
from campaigns.fuzz.targets import TARGETS
from idro.errors import ProtocolError
from idroserra.core.config import StoreConfig
from idroserra.history.influx.store import InfluxStore
from idroserra.history.models import EventPoint, SamplePoint
from idroserra.ingest.decoder import read_records
from support.databases import Influxd
from support.samples import write_samples

COUNT = 15_000
SITE = "serra 1"
FIELDS = {"boot_id", "seq", "detail", "volume_ul", "on_ms"}
T0_MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def influxd(tmp_path_factory):
    with Influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


def mutated_batches(leaf):
    """Yield the batches of the mutated messages that are still valid."""
    name = {"event": "events"}.get(leaf, leaf)
    good, words = list(getattr(seeds, name)()), TARGETS[name].words
    for data in (*good, *islice(mutate.inputs(good, words, random.Random(leaf)), COUNT)):
        try:
            yield read_records(leaf, data).batch
        except ProtocolError:
            continue


def test_no_series_and_no_field_is_injected(influxd):
    store = InfluxStore(StoreConfig(kind="influx", url=influxd.url, database="fuzzed",
                                    write_api="v1"), site=SITE)
    samples = [
        SamplePoint("idro-one", channel, T0_MS + record.at_ms % 10**9, value)
        for batch in mutated_batches("telemetry") for record in batch.records
        for channel, value in record.values.items()
    ]
    events = [
        EventPoint("idro-one", (T0_MS + record.at_ms % 10**9) * 1_000, record.seq, batch.boot_id,
                   record.kind, record.detail)
        for batch in mutated_batches("event") for record in batch.records
    ]
    nasty = ["\nsample,node=x ph=1 1", 'a" ,x="1', "\\", '\\"', "a,b=c d", "x\r\ny", "\0",
             "'; DROP"]
    for number, text in enumerate(nasty):
        events.append(EventPoint("idro-one", (T0_MS + number) * 1_000, number, text, "dosed",
                                 {"reason": text, "volume_ul": 3}))
    assert len(samples) > 200
    assert len(events) > 200
    for at in range(0, len(samples), 2_000):
        write_samples(store, samples[at:at + 2_000], [])
    write_samples(store, [], events)
    store.close()

    assert {row[0] for row in influxd.rows("SHOW MEASUREMENTS", "fuzzed")} == {"sample", "event"}
    site = SITE.replace(" ", "\\ ")
    sources = {channel.split(".")[0] for _, channel, _, _ in samples}
    assert {row[0] for row in influxd.rows("SHOW SERIES", "fuzzed")} == {
        *(f"sample,node=idro-one,site={site},source={source}" for source in sources),
        *(f"event,kind={event.kind},node=idro-one,site={site}" for event in events),
    }
    quantities = {channel.split(".")[1] for _, channel, _, _ in samples}
    assert {row[0] for row in influxd.rows("SHOW FIELD KEYS FROM sample", "fuzzed")} == quantities
    assert {row[0] for row in influxd.rows("SHOW FIELD KEYS FROM event", "fuzzed")} <= FIELDS
    rows = influxd.rows("SELECT detail FROM event WHERE seq < 8 AND boot_id != 'boot-1'", "fuzzed")
    assert {json.loads(row[1])["reason"] for row in rows} >= set(nasty)

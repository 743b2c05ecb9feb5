"""InfluxDB 3 and VictoriaMetrics take a feed; as the store they are refused at the start."""

import tomllib

import pytest

from idroserra.core.config import Config, FeedConfig, StoreConfig
from idroserra.core.errors import ConfigError, StoreUnavailable
from idroserra.core.validation import Secret, validate
from idroserra.history.factory import open_store
from idroserra.history.influx.store import InfluxStore
from idroserra.history.models import Instant
from support.feed_rig import NODE, T0, FeedRig
from support.influx3 import TOKEN, Influx3


@pytest.fixture
def influx3():
    with Influx3() as server:
        yield server


def test_a_3_as_the_store_is_refused_with_the_feed_to_write_instead(influx3, tmp_path):
    config = Config(data_dir=tmp_path, store=StoreConfig(
        kind="influx", url=influx3.url, database="farm", token=Secret(TOKEN)))
    with pytest.raises(ConfigError, match="InfluxDB 3, which cannot draw the history") as caught:
        open_store(config)
    shown = str(caught.value).partition("\n\n")[2]
    assert len(shown.splitlines()) == 4
    [feed] = validate(tomllib.loads(shown), Config).feed
    assert (feed.name, feed.url, feed.database) == ("influx3", influx3.url, "farm")


def test_a_victoriametrics_as_the_store_is_refused_too(victoria, tmp_path):
    config = Config(data_dir=tmp_path, store=StoreConfig(kind="influx", url=victoria.url))
    with pytest.raises(ConfigError, match='VictoriaMetrics(?s:.*)name = "victoria"'):
        open_store(config)


def test_one_that_answers_only_after_the_start_is_written_nothing(influx3):
    config = StoreConfig(kind="influx", url=influx3.url, token=Secret(TOKEN))
    store = InfluxStore(config, site="farm")
    with pytest.raises(StoreUnavailable, match="InfluxDB 3, which cannot draw"):
        store.write([Instant(NODE, T0, {"reservoir.ph": 6.0})], [])
    store.close()
    assert influx3.points == {}


def test_a_feed_has_everything_once_after_a_kill(fed, tmp_path, eventually):
    config = {key: value for key, value in fed.config.items() if key != "kind"}
    rig = FeedRig(tmp_path, validate({"name": "fed", **config}, FeedConfig))
    for first_seq in (1, 101):
        rig.receive(first_seq, 100)
        eventually(lambda: rig.try_feed("fed"), 30, "it has what was received")
        fed.restart()
    eventually(lambda: rig.try_feed("fed"), 30, "it is asked again")
    rig.feeds.fill("fed", 0)
    eventually(lambda: rig.try_feed("fed"), 30, "the past, once more")
    assert [row[1:] for row in fed.rows("SELECT count(ph),count(ec_us_cm) FROM sample")] == [
        [160, 160]]
    assert [row[1] for row in fed.rows("SELECT count(seq) FROM event")] == [40]
    rig.close()


def test_a_3_takes_a_feed_whole_or_without_the_point_it_refuses(influx3, tmp_path):
    rig = FeedRig(tmp_path, FeedConfig(
        name="influx3", url=influx3.url, database="farm", token=Secret(TOKEN)))
    assert influx3.write(
        "event,site=farm,node=x volume_ul=1.5 1", f"Token {TOKEN}") == (204, None)
    rig.receive(1, 100)
    rig.feed("influx3")
    samples = [key for key in influx3.points if key[0].startswith("sample")]
    assert len(samples) == 80
    [state] = rig.feeds.states()
    assert (state.waiting.written, state.waiting.refused) == (80, 20)
    assert influx3.refused > 1  # it takes a body whole or not at all
    rig.close()


def test_a_wrong_token_is_named_and_nothing_is_lost(influx3, tmp_path):
    rig = FeedRig(tmp_path, FeedConfig(name="influx3", url=influx3.url, token=Secret("wrong")))
    rig.receive(1, 10)
    with pytest.raises(StoreUnavailable, match="HTTP 401: .*not authenticated; check its token"):
        rig.feed("influx3")
    assert rig.waiting_ms("influx3") > 0
    rig.close()

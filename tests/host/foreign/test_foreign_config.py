"""The section [foreign]: off by default, and never a filter that covers topics of nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError


def load(*topics):
    return load_config(overrides={"foreign": {"topics": list(topics)}}).foreign.topics


def test_it_is_off_by_default():
    assert load_config().foreign.topics == ()


def test_filters_of_the_four():
    filters = ("foreign/#", "zigbee2mqtt/+", "tele/+/SENSOR", "shellies/#", "porch/sensor/+/state")
    assert load(*filters) == filters


@pytest.mark.parametrize("topic", [
    "#", "+/#", "idro/#", "idro/v1/+/up/#", "homeassistant/#", "$SYS/#", "/x", "", "a/#/b", "a+/b",
    "a/b#", "a\nb", "x" * 201])
def test_a_filter_that_is_invalid_or_of_others_is_refused_by_its_key(topic):
    with pytest.raises(ConfigError) as raised:
        load(topic)
    assert raised.value.key == "foreign.topics"


@given(st.lists(st.sampled_from(["#", "+", "idro", "v1", "up", "homeassistant", "foreign", ""]),
                min_size=1, max_size=5).map("/".join))
def test_no_accepted_filter_matches_a_topic_of_a_node(topic):
    try:
        load(topic)
    except ConfigError:
        return
    for other in ("idro/v1/idro-a/up/telemetry", "idro/v1/idro-a/down/command",
                  "homeassistant/status", "idro/v1/host/ha/idro-a/stop/set"):
        assert not topic_matches_sub(topic, other)

"""A name in a command or a configuration: refused by the host or read by the node."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idro.protocol import messages
from idroserra.core import protocol

NODE = "bench-1"


def mac(_signed):
    return "0" * 64


@given(st.text(max_size=protocol.MAX_BY_CHARS))
@example("Anna \N{SEEDLING}")
@example("\ud83c")
@example("n\u00f3nna")
def test_a_name_that_the_host_takes_reaches_the_node(by):
    try:
        protocol.check_by(by)
    except protocol.ProtocolError:
        return
    command = protocol.Command("c-1", "stop", {}, "0a1b2c3d", 0, by)
    data = protocol.pack_command(NODE, command, mac)
    assert messages.unpack_command(NODE, data).message.by == by
    config = protocol.Config(1, by, protocol.check_settings({}))
    data = protocol.pack_config(NODE, config, mac)
    assert messages.unpack_config(NODE, [data]).message.by == by


@pytest.mark.parametrize("by", ["Anna \N{SEEDLING}", "\ud83c"])
def test_an_emoji_is_refused_by_name(by):
    with pytest.raises(protocol.ProtocolError, match="by: an emoji"):
        protocol.check_by(by)


@pytest.mark.parametrize("by", ["anna", "n\u00f3nna", "\u5b89\u5a1c"])
def test_names_of_our_languages_are_taken(by):
    protocol.check_by(by)

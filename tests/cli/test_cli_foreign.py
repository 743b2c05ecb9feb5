"""`idroserra foreign`: list, adopt and forget readings of sensors that are not nodes."""

import json

import pytest

from support.command_line import idroserra
from support.real_host import Host

SHED = "foreign/hub/shed"


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    running = Host(tmp_path / "host", mosquitto.port, eventually,
                   more={"foreign": {"topics": ["foreign/#"]}})
    yield running
    running.stop()


def test_a_value_is_listed_adopted_and_forgotten(host):
    def ask(*words):
        return idroserra("foreign", *words, url=host.url)

    host.service.foreign.receive(SHED, b'{"temperature": 21.3}', False)
    listed = ask("list").stdout
    assert "Topics: foreign/#" in listed
    assert SHED in listed
    assert "21.3 °C" in listed
    refused = ask("adopt", "shed", SHED, "temperature", "--low", "70", "--high", "60")
    assert refused.returncode == 2
    assert "low: must be less than high, and both within -40 to 85 C" in refused.stderr
    done = ask("adopt", "shed", SHED, "temperature", "--place", "Shed", "--high", "40")
    assert done.stdout == "shed: Temperature of -20 to 40, too old after 2 h\n"
    host.service.foreign.receive(SHED, b'{"temperature": 22.0}', False)
    [reading] = json.loads(ask("list", "--json").stdout)["readings"]
    assert (reading["name"], reading["place"], reading["text"]) == ("shed", "Shed", "22.0 °C")
    assert ask("forget", "shed").stdout == "shed is forgotten\n"
    assert ask("forget", "shed").returncode == 1

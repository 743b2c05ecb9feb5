"""The page after a restore: both settings are shown, and the grower chooses."""

from contextlib import closing

import pytest
from playwright.sync_api import expect

from idroserra.core.sqlite import connect
from idroserra.nodes.registry import Nodes
from idroserra.nodes.restored import hold_back
from support.real_host import KEY, Host

NODE, SLOPE = "idro-a", "ph.slope_uv_per_ph"


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    """Yield a host whose data folder is a restored backup."""
    path = tmp_path / "host" / "state.db"
    with closing(Nodes(path, "test")) as nodes:
        nodes.adopt(NODE, KEY)
        nodes.set_desired_config(
            NODE, {SLOPE: -160_000, "dosing.enabled": True, "sample.every_ms": 60_000}, "anna")
    with closing(connect(path, "")) as database:
        hold_back(database, 1_795_507_200_000)
    running = Host(tmp_path / "host", mosquitto.port, eventually)
    yield running
    running.stop()


@pytest.mark.parametrize("choice", ["keep", "send"])
def test_the_grower_chooses_the_settings_of_node_or_backup(host, tab, eventually, choice):
    node = host.node(NODE, adopt=False)
    node.read()
    eventually(lambda: host.view(NODE)["config"]["restored"]["differences"], 15, "the differences")
    page = (opened := tab()).page
    opened.open("/")
    expect(page.locator("main")).to_contain_text(
        "differs from the restored backup", timeout=60_000)
    opened.open(f"/nodes/{NODE}/setup")
    card = page.locator("#restored")
    row = card.locator("tbody tr:visible")
    expect(row).to_have_count(1, timeout=60_000)
    expect(row).to_have_attribute("data-restored", SLOPE)
    expect(row.locator("td")).to_have_text(
        ["Slope of the pH probe", "-177.48 mV/pH", "-160 mV/pH"], timeout=60_000)
    card.locator(f"button.{choice}").click()
    expect(card).to_be_hidden(timeout=60_000)
    assert host.view(NODE)["config"]["restored"] is None
    assert node.values[SLOPE] == (-177_480 if choice == "keep" else -160_000)

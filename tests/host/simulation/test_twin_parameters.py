"""The assumptions of a preview name the crop of the recipe, and what is simulated in its place."""

import pytest

from idro.protocol.messages import ConfigReport, Info
from idroserra.core import protocol
from idroserra.i18n.reasons import reason_text
from idroserra.nodes.node import Node
from idroserra.recipes import model
from idroserra.simulation.preview_request_builder import build_request
from idroserra.simulation.twin_parameters import greenhouse

NOON_UNIX_MS = 1_795_521_600_000
NODE = Node(
    "idro-a", "test", info=Info(
        "1", "esp32-reservoir", "esp32", "b-1", 1, 2, "host", "power_on", "", ("reservoir.ph",),
        {}, (), False, 100, None, None, None),
    report=ConfigReport(1, None, protocol.check_settings({"dosing.enabled": True})))


def assumed(recipe):
    request = build_request(NODE, {}, None, NOON_UNIX_MS, days=1, water="soft", recipe=recipe)
    return [reason_text(reason) for reason in greenhouse(request).assumed]


def test_a_crop_that_is_not_simulated_is_named_with_the_one_in_its_place():
    texts = assumed(model.load("basil"))
    assert not [text for text in texts if text.startswith("the crop is lettuce")]
    assert "the simulator has no basil: lettuce takes its place" in " ".join(texts)


@pytest.mark.parametrize("recipe", [None, model.load("lettuce")])
def test_lettuce_and_an_unnamed_crop_are_simulated_as_lettuce(recipe):
    texts = " ".join(assumed(recipe))
    assert "the crop is lettuce" in texts
    assert "takes its place" not in texts

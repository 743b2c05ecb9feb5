"""The stock calculator over the API: the figures of the command line, and errors by field."""

import pytest

from idroserra.simulation import stock_calculator
from idrosim.water_solver import nutrient_batch

BATCH, DOSE = "/api/stock/batch", "/api/stock/dose"
WRONG = (
    (BATCH, {"recipe": "bananas"}, "recipe"),
    (BATCH, {"recipe": "lettuce", "acid": "vinegar"}, "acid"),
    (BATCH, {"recipe": "lettuce", "water": "Fe=3"}, "water.Fe"),
    (DOSE, {"stock": "khco3_1M", "target_ph": 3}, "target_ph"),
)
REPORT = "Ca=48.1 Mg=9.72 Na=18.4 Cl=30.1 SO4=38.4 HCO3=146 pH=7.6"


def test_a_batch_has_the_figures_of_the_command_line(host):
    asked = {"recipe": "lettuce", "volume_l": 50, "water": REPORT, "acid": "hno3_10pct"}
    found = host.client.get(BATCH, params=asked).json()
    water, _ = nutrient_batch.read_water(REPORT)
    weighed = nutrient_batch.weigh("lettuce", water, 50.0, 5.8, {
        "strength": 1.0, "acid": "hno3_10pct", "base": "khco3_1M", "temp_c": 20.0})
    assert found["grams"] == {name: round(grams, 3) for name, grams in weighed.grams.items()}
    assert (found["stock"], found["stock_ml"]) == ("hno3_10pct", round(weighed.dose[1], 2))
    assert found["words"]["lines"][0].startswith(
        f"Pour {weighed.dose[1]:.1f} ml of Nitric acid, 10 % by weight: pH ")
    assert found["words"]["salts"][0] == {
        "salt": "Calcium nitrate", "formula": "Ca(NO3)2.4H2O", "tank": "A",
        "grams": f"{weighed.grams['Ca(NO3)2.4H2O']:.2f}"}


def test_plain_water_gets_acid(host):
    found = host.client.get(DOSE, params={
        "stock": "h3po4_10pct", "volume_l": 200, "water": REPORT, "target_ph": 5.8}).json()
    assert found["ph_without_stock"] == pytest.approx(7.6, abs=0.1)
    assert found["ph"] == pytest.approx(5.8, abs=0.01)
    assert 200 < found["stock_ml"] < 600


def test_an_error_names_its_field(host):
    for path, asked, field in WRONG:
        answer = host.client.get(path, params=asked)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    answer = host.client.get(BATCH, params={"recipe": "lettuce", "strength": 9})
    assert (answer.status_code, answer.json()["error"][:10]) == (422, "strength: ")


def test_every_note_of_the_chemistry_can_be_translated():
    weighed = stock_calculator.weigh(stock_calculator.BatchRequest(
        "lettuce", 100, "Ca=48 CaCO3=150 Cl=400 pH=7.6", 4.0, 7.5, "h3po4_10pct", "koh_10pct", 20))
    templates = {note.template for note in weighed.notes}
    assert len(templates) >= 3
    assert templates <= set(stock_calculator.NOTE_TEXTS)

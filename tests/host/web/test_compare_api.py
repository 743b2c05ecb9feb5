"""Comparisons over the API: the figures of the report, of two spans or two nodes."""

import csv
import io

from idroserra.web.node_view import wall_unix_ms

MINUTE_MS, DAY_MS = 60_000, 86_400_000


def compared(host, first, second, node="idro-a", other="idro-a", path="/api/compare"):
    (begin, end), (other_begin, other_end) = first, second
    return host.client.get(path, params={
        "node": node, "from_unix_ms": begin, "to_unix_ms": end, "other": other,
        "other_from_unix_ms": other_begin, "other_to_unix_ms": other_end})


def test_two_spans_of_a_node_side_by_side(host, node):
    now = wall_unix_ms()
    first, middle, last = (now - minutes * MINUTE_MS for minutes in (50, 30, 10))
    answer = compared(host, (first, middle), (middle, last))
    assert answer.status_code == 200
    rows = {row["key"]: row for row in answer.json()["rows"]}
    # One dose of 2.5 ml in the first 20 minutes, two in the second.
    assert rows["dosed ph_down"]["values"] == ["180.00 ml", "360.00 ml"]
    assert rows["dosed ph_down"]["difference"] == "+180.00 ml"
    assert rows["reservoir.ph in band"]["values"] == ["100.0 %", "100.0 %"]
    assert rows["reservoir.ph in band"]["difference"] == "±0.0 %"
    assert not {"harvest", "dli"} & rows.keys()
    assert answer.json()["sides"][0]["text"].startswith("idro-a, ")


def test_the_comparison_is_exported_as_numbers(host, node):
    now = wall_unix_ms()
    first, middle, last = (now - minutes * MINUTE_MS for minutes in (50, 30, 10))
    answer = compared(host, (first, middle), (middle, last), path="/api/compare/export")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = {row["key"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    dosed = rows["dosed ph_down"]
    assert [dosed[one] for one in ("unit", "first", "second", "difference")] == [
        "ml", "180.0", "360.0", "180.0"]
    assert (dosed["first_node"], dosed["second_from_unix_ms"]) == ("idro-a", str(middle))
    shown = compared(host, (first, middle), (middle, last)).json()["rows"]
    assert list(rows) == [row["key"] for row in shown]


def test_the_light_is_not_told_of_the_time_before_the_recipe(host, node):
    assert host.client.post(
        "/api/nodes/idro-a/recipe", json={"recipe": "lettuce"}).status_code == 201
    now = wall_unix_ms()
    span = (now - 50 * MINUTE_MS, now)
    rows = {row["key"]: row for row in compared(host, span, span).json()["rows"]}
    assert rows["light"]["values"] == ["24.0 h", "24.0 h"]
    assert "dli" not in rows


def test_a_figure_that_one_node_lacks_has_no_difference(host, node):
    host.node("idro-b")
    now = wall_unix_ms()
    span = (now - 60 * MINUTE_MS, now)
    rows = {row["key"]: row for row in compared(host, span, span, other="idro-b").json()["rows"]}
    assert rows["reservoir.ph mean"]["values"][1] == "–"
    assert rows["reservoir.ph mean"]["difference"] == ""


def test_weeks_crops_and_recipes_are_offered(host, node):
    now = wall_unix_ms()
    for days, crop in ((40, "basil"), (12, "lettuce")):
        assert host.client.post("/api/journal", json={
            "node": "idro-a", "kind": "planting", "crop": crop, "text": "",
            "unix_ms": now - days * DAY_MS}).status_code == 201
    host.client.post("/api/nodes/idro-a/recipe", json={"recipe": "lettuce"})
    spans = host.client.get("/api/nodes/idro-a/spans").json()["spans"]
    names = [one["name"] for one in spans]
    assert names[-2:] == ["Crop: lettuce", "Crop: basil"]
    assert "Recipe lettuce" in names
    assert spans[-1]["to_unix_ms"] == spans[-2]["from_unix_ms"]


def test_wrong_spans_and_nodes_are_refused(host, node):
    now = wall_unix_ms()
    good = (now - DAY_MS, now)
    assert compared(host, (now, now - 1), good).status_code == 422
    assert compared(host, (now - 200 * DAY_MS, now), good).status_code == 422
    for path in ("/api/compare", "/api/compare/export"):
        assert compared(host, good, good, other="absent", path=path).status_code == 404
    assert host.client.get("/api/nodes/absent/spans").status_code == 404

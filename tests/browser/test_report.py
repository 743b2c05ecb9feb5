"""The report over a real host: as JSON, on the page, as a PDF, from the terminal."""

import time

import pytest
from playwright.sync_api import expect

from idroserra.history.models import EventPoint, SamplePoint
from support.command_line import idroserra
from support.pages import DESKTOP, PHONE
from support.photos import picture
from support.samples import write_samples

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture
def week(host):
    """A host whose node has two days in the store, with a gap, doses, a planting, a harvest."""
    host.node("idro-a")
    now = time.time_ns() // 1_000_000
    begin = now - 2 * DAY_MS
    samples, doses = [], []
    for at in range(begin, now, 5 * 60_000):
        if 10 * HOUR_MS < at - begin < 13 * HOUR_MS:
            continue
        samples += [SamplePoint("idro-a", "reservoir.ph", at, 5.8),
                    SamplePoint("idro-a", "reservoir.ec_us_cm", at, 2_000)]
    for number in range(4):
        doses.append(EventPoint(
            "idro-a", (begin + number * HOUR_MS) * 1_000, number, "7f3a11ab", "dosed",
            {"actuator": "ph_down", "volume_ul": 2_500, "on_ms": 2_500, "by": "control"}))
    write_samples(host.service.store, samples, doses)
    for kind, more in (("planting", {"crop": "basil", "unix_ms": begin + 1_000}),
                       ("harvest", {"crop": "basil", "unix_ms": now - 1_000, "weight_g": 420})):
        note = host.client.post("/api/journal", json={
            "node": "idro-a", "kind": kind, "text": "\u6839\u5f88\u597d", **more}).json()
    host.client.post(f"/api/journal/{note['id']}/photos", content=picture(),
                     headers={"Content-Type": "image/jpeg"})
    return host


def sections(host, **query):
    answer = host.client.get("/api/nodes/idro-a/report", params=query)
    assert answer.status_code == 200, answer.text
    return {one["title"]: one for one in answer.json()["sections"]}


def test_it_says_what_was_measured_given_and_harvested_and_nothing_else(week):
    found = sections(week, since="planting")
    band = found["Time in band"]["table"]["rows"]
    assert [row[2] for row in band] == ["100.0 %", "0.0 %"]
    assert found["Doses"]["table"]["rows"][-1][1] == "7.50 ml"  # the first was before the planting
    gap = next(line for line in found["Gaps in the readings"]["lines"] if line.startswith("pH"))
    assert gap.startswith(("pH: no readings for 2 h 5", "pH: no readings for 3 h"))
    assert found["Harvest"]["table"]["rows"] == [["basil", "1", "420 g", "\u2014"]]
    assert not any("litre" in line for line in found["Harvest"]["lines"])  # no level, no water
    assert "daily light integral (DLI) is unknown" in found["Light"]["lines"][-1]
    rows = sections(week, since="week", time_zone="UTC")["pH"]["table"]["rows"]
    assert rows[0][1:] == ["\u2014", "\u2014", "\u2014", "no readings"]


def test_a_report_without_data_is_refused_with_a_reason(week):
    def error(**query):
        return week.client.get("/api/nodes/idro-a/report.pdf", params=query).json()["error"]

    assert error(since="recipe") == "since: this node never ran a recipe"
    assert error(from_unix_ms=0).startswith("to_unix_ms: must be after from_unix_ms")
    assert error(time_zone="Mars").startswith("time_zone: 'Mars' is not a time zone")


def test_the_terminal_writes_a_pdf(week, tmp_path):
    out = tmp_path / "week.pdf"
    done = idroserra("report", "idro-a", "--last", "3d", "-o", out, url=week.url)
    assert done.returncode == 0, done.stderr
    content = out.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Subtype/Image") + content.count(b"/Subtype /Image") == 1  # the photo


def test_the_page_is_made_for_print(week, tab):
    for size, scheme in ((PHONE, "light"), (DESKTOP, "dark")):
        watched = tab(size, scheme)
        watched.page.goto(f"{week.url}/nodes/idro-a/report?since=planting")
        expect(watched.page.locator(".paper h1")).to_have_text("Report of idro-a")
        expect(watched.page.locator(".paper svg").first).to_be_visible()
        expect(watched.page.locator(".paper .photo img")).to_have_count(1)
        watched.check()
    watched.page.emulate_media(media="print")
    expect(watched.page.locator(".top")).to_be_hidden()

"""The journal over a real host: notes, photos, who may change them, files to take along."""

import csv
import io
import threading
import time
import zipfile

import pytest

from idroserra.auth.roles import Role
from idroserra.broker.local import Broker
from support.command_line import idroserra
from support.photos import noise, opened, picture
from support.real_host import Host
from support.wait import wait_until

DAY_MS = 86_400_000
JPEG = {"Content-Type": "image/jpeg"}


def now_unix_ms():
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """One host with a node, for all of these tests."""
    folder = tmp_path_factory.mktemp("journal")
    broker = Broker(folder / "broker", "mosquitto")
    broker.start()
    running = Host(folder / "host", broker.port, wait_until,
                   more={"journal": {"photos_max_mb": 1}})
    running.node("idro-a")
    yield running
    running.stop()
    broker.stop()


@pytest.fixture
def people(house):
    """people("anna"): a client logged in as a new operator; people("ada", Role.ADMIN)."""
    def log_in(name, role=Role.OPERATOR):
        cookie, session = house.session_of(role, name)
        client = house.client_with()
        client.headers.update({"Cookie": f"{cookie}={session}", "Origin": house.url})
        return client

    return log_in


def write(client, **more):
    """Write a note; returns it."""
    answer = client.post("/api/journal", json={
        "node": "idro-a", "kind": "note", "unix_ms": now_unix_ms(), "text": "roots are white",
        **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def add_photo(client, note, content=None, kind="image/jpeg"):
    return client.post(f"/api/journal/{note['id']}/photos", content=content or picture(),
                       headers={"Content-Type": kind})


def error_of(answer, status):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def test_a_note_is_found_again_by_node_kind_and_time(house):
    at = now_unix_ms() - 3 * DAY_MS
    water = write(house.client, kind="water_change", text="all of it", unix_ms=at)
    write(house.client, node=None, kind="maintenance", text="new fan", unix_ms=at + 1)

    def texts(**query):
        found = house.client.get("/api/journal", params=query).json()["notes"]
        return [note["text"] for note in found]

    span = {"from_unix_ms": at, "to_unix_ms": at + 2}
    assert texts(**span) == ["new fan", "all of it"]
    assert texts(node="idro-a", **span) == ["new fan", "all of it"]  # the site's is its too
    assert texts(node="idro-b", **span) == ["new fan"]
    assert texts(kind="water_change", **span) == ["all of it"]
    assert texts(limit=1, **span) == ["new fan"]
    shown = house.client.get(f"/api/journal/{water['id']}").json()
    assert (shown["unix_ms"], shown["kind"], shown["changed_unix_ms"]) == (
        at, "water_change", None)


@pytest.mark.parametrize(("wrong", "why"), [
    ({"text": "  "}, "text: a note needs one"),
    ({"unix_ms": 5}, "unix_ms: now or earlier"),
    ({"unix_ms": 4_000_000_000_000}, "unix_ms: now or earlier"),
    ({"weight_g": 3}, "weight_g: of a harvest only"),
    ({"crop": "basil"}, "crop, count: of a planting or a harvest only"),
    ({"kind": "harvest"}, "weight_g: a harvest needs its weight in g, or a count"),
    ({"kind": "harvest", "weight_g": -1}, "weight_g: "),
    ({"kind": "party"}, "kind: "),
    ({"text": "x" * 4_001}, "text: "),
    ({"colour": "red"}, "colour: "),
])
def test_what_is_wrong_with_a_note_is_said_by_field(house, wrong, why):
    answer = house.client.post("/api/journal", json={
        "node": "idro-a", "kind": "note", "unix_ms": now_unix_ms(), "text": "a", **wrong})
    assert error_of(answer, 422).startswith(why)


def test_a_note_about_an_unknown_node_is_refused(house):
    answer = house.client.post("/api/journal", json={
        "node": "idro-z", "kind": "note", "unix_ms": now_unix_ms(), "text": "a"})
    assert error_of(answer, 404) == "unknown node idro-z"


def test_its_author_and_admins_change_it_and_each_change_is_audited(house, people):
    anna, otto, ada = people("anna"), people("otto"), people("ada", Role.ADMIN)
    note = write(anna, text="yellow leaf", by="somebody else")
    assert note["by"] == "anna"
    path, body = f"/api/journal/{note['id']}", {
        "node": "idro-a", "kind": "pest", "unix_ms": note["unix_ms"], "text": "aphids"}
    why = "this note is by anna: they or an admin may change it"
    assert error_of(otto.put(path, json=body), 403) == why
    assert error_of(otto.request("DELETE", path, json={}), 403) == why
    assert error_of(add_photo(otto, note), 403) == why
    assert otto.get(path).json()["may_change"] is False
    changed = anna.put(path, json=body).json()
    assert (changed["text"], changed["kind"], changed["changed_by"]) == ("aphids", "pest", "anna")
    assert ada.request("DELETE", path, json={}).json()["text"] == "aphids"
    assert error_of(anna.get(path), 404).startswith("note: there is no ")
    rows = [(row.who, row.action, row.result) for row in house.service.access.audit.newest(6)]
    assert rows == [
        ("ada", "delete note", "done"), ("anna", "change note", "done"),
        ("otto", "add photo", "refused"), ("otto", "delete note", "refused"),
        ("otto", "change note", "refused"), ("anna", "write note", "done")]


def test_a_token_with_a_persons_name_is_not_that_person(house, people):
    note = write(people("anna"))
    token = house.service.access.tokens.make("anna", Role.OPERATOR, "tests")
    answer = house.client_with(token).request("DELETE", f"/api/journal/{note['id']}", json={})
    assert answer.status_code == 403


def test_a_photo_is_kept_small_upright_and_without_the_cameras_data(house):
    note = write(house.client)
    before = picture((3_000, 2_000), orientation=6)
    assert b"Phone Maker" in before
    kept = add_photo(house.client, note, before).json()["photos"]
    assert [(one["width_px"], one["height_px"]) for one in kept] == [(1_067, 1_600)]
    path = f"/api/journal/{note['id']}/photos/{kept[0]['id']}"
    answer = house.client.get(path)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("private")
    assert b"Phone Maker" not in answer.content
    with opened(answer.content) as image:
        assert (image.size, dict(image.getexif()), image.info.get("exif")) == (
            (1_067, 1_600), {}, None)
        left, right = image.getpixel((60, 1_500)), image.getpixel((1_000, 1_500))
    assert left[0] > right[0]  # turned by 90 degrees: the soil is on the left now
    with opened(house.client.get(path, params={"size": "small"}).content) as small:
        assert max(small.size) == 360
    assert house.client_with().get(path).status_code == 401
    assert house.client.request("DELETE", path, json={}).json()["photos"] == []
    assert house.client.get(path).status_code == 404
    assert not list((house.config.data_dir / "journal-photos").iterdir())


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_other_forms_become_jpegs(house, form):
    note = write(house.client)
    answer = add_photo(house.client, note, picture(form=form), f"image/{form.lower()}")
    assert answer.status_code == 201, answer.text
    photo = answer.json()["photos"][0]
    path = f"/api/journal/{note['id']}/photos/{photo['id']}"
    with opened(house.client.get(path).content) as image:
        assert image.format == "JPEG"
    house.client.request("DELETE", f"/api/journal/{note['id']}", json={})


def test_what_is_no_photo_is_one_clear_error_and_leaves_nothing(house):
    note = write(house.client)
    why = error_of(add_photo(house.client, note, b"<svg onload=alert(1)>"), 422)
    assert why == "photo: the format is not supported: a JPEG, PNG or WebP is needed"
    half = error_of(add_photo(house.client, note, picture()[:4_000]), 422)
    assert half.startswith("photo: damaged, it cannot be read")
    assert error_of(add_photo(house.client, note, b"a" * (20 * 1024 * 1024 + 1)), 413) == (
        "body: at most 20971520 bytes")
    streamed = house.client.post(
        f"/api/journal/{note['id']}/photos", headers=JPEG,
        content=(b"a" * 1_048_576 for _ in range(21)))
    assert error_of(streamed, 422) == "photo: larger than 20 MB"
    assert error_of(add_photo(house.client, note, b"x", "image/svg+xml"), 415).startswith(
        "Content-Type: ")
    assert house.client.get(f"/api/journal/{note['id']}").json()["photos"] == []
    assert not list((house.config.data_dir / "journal-photos").iterdir())


@pytest.mark.parametrize("path", [
    "/api/journal/{note}/photos/..%2f..%2fusers.db", "/api/journal/{note}/photos/%2e%2e",
    "/api/journal/{note}/photos/" + "0" * 32, "/api/journal/..%2f..%2fx/photos/" + "0" * 32,
])
def test_no_path_leads_out_of_the_photos(house, path):
    note = write(house.client)
    assert house.client.get(path.format(note=note["id"])).status_code in (404, 422)


def test_a_note_has_eight_photos_at_most_and_all_together_a_limit(house):
    note, photo = write(house.client), picture((160, 120))
    for _ in range(8):
        assert add_photo(house.client, note, photo).status_code == 201
    assert error_of(add_photo(house.client, note, photo), 409) == (
        "photos: a note has 8 at most")
    other = write(house.client)
    noisy = noise()
    while add_photo(house.client, other, noisy).status_code == 201:
        other = write(house.client)
    assert error_of(add_photo(house.client, other, noisy), 409).startswith(
        "photos: the limit of 1 MB in journal.photos_max_mb is reached")
    for found in house.client.get("/api/journal", params={"limit": 500}).json()["notes"]:
        house.client.request("DELETE", f"/api/journal/{found['id']}", json={})
    assert not list((house.config.data_dir / "journal-photos").iterdir())


def test_harvests_add_up_by_crop(house):
    at = now_unix_ms() - 20 * DAY_MS
    for weight_g, count in ((420, 3), (79.5, None), (None, 2)):
        write(house.client, kind="harvest", crop="basil", weight_g=weight_g, count=count,
              unix_ms=at, text="")
    write(house.client, kind="harvest", crop="mint", count=4, unix_ms=at, text="")
    span = {"from_unix_ms": at, "to_unix_ms": at + 1}
    found = house.client.get("/api/journal/yields", params=span).json()["yields"]
    assert [(one["crop"], one["harvests"], one["weighed"], one["weight_g"], one["count"])
            for one in found] == [("basil", 3, 2, 499.5, 5), ("mint", 1, 0, None, 4)]


def test_it_is_taken_along_as_csv_json_and_zip(house):
    at = now_unix_ms() - 40 * DAY_MS
    note = write(house.client, text="=1+1", unix_ms=at)
    add_photo(house.client, note)
    query = {"from_unix_ms": at, "to_unix_ms": at + 1, "time_zone": "Europe/Rome"}
    text = house.client.get("/api/journal/export", params=query).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["text"], row["node"], row["weight_g"]) for row in rows] == [
        ("'=1+1", "idro-a", "")]
    assert rows[0]["time_local [Europe/Rome]"][-6:] in ("+01:00", "+02:00")
    asked = {**query, "format": "json"}
    exported = house.client.get("/api/journal/export", params=asked).json()
    assert (exported[0]["text"], exported[0]["weight_g"]) == ("=1+1", None)
    answer = house.client.get("/api/journal/export", params={**query, "format": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        name = f"photos/{rows[0]['photos']}"
        assert archive.namelist() == ["journal.csv", "journal.json", name]
        assert archive.read(name)[:2] == b"\xff\xd8"
    empty = {"from_unix_ms": 0, "to_unix_ms": 1, "format": "json"}
    assert house.client.get("/api/journal/export", params=empty).json() == []


def test_who_looks_hears_of_a_new_note(house):
    heard = threading.Event()

    def listen():
        with house.client_with(house.client.headers["Authorization"].split()[1]).stream(
                "GET", "/api/live") as answer:
            for line in answer.iter_lines():
                if '"hello"' in line:
                    write(house.client)
                if '"journal"' in line:
                    heard.set()
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert heard.wait(60)
    thread.join()


def test_the_terminal_writes_and_lists(house, tmp_path):
    def run(*words):
        return idroserra(*words, url=house.url)

    photo = tmp_path / "leaf.jpg"
    photo.write_bytes(picture())
    done = run("node", "note", "idro-a", "first cut", "--kind", "harvest", "--weight-g", "420",
               "--crop", "thyme", "--photo", str(photo))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "idro-a: note saved, with 1 photo\n"
    assert "thyme, 420 g" in run("journal", "idro-a", "--kind", "harvest").stdout
    photo.write_bytes(b"no photo")
    refused = run("node", "note", "idro-a", "second", "--photo", str(photo))
    assert refused.returncode == 1
    assert refused.stderr.endswith("leaf.jpg: photo: the format is not supported: "
                                   "a JPEG, PNG or WebP is needed\n")

"""The backup in the settings: made beside a running host, downloaded by an admin only."""

import io
import json
import sqlite3
import tarfile

from idroserra.auth.roles import Role
from support.real_host import KEY, PASSWORD

PATH = "/api/settings/backup"


def make(host, eventually, **body):
    assert host.client.post(PATH, json=body).status_code == 202
    eventually(lambda: host.client.get(PATH).json()["state"] != "running", 20, "the backup")
    return host.client.get(PATH).json()


def link(client, headers=None):
    """Return the path of one download."""
    answer = client.post(f"{PATH}/download", json={}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["path"]


def test_a_backup_is_made_downloaded_replaced_and_deleted(host, eventually):
    host.node("idro-a")
    assert host.client.get(PATH).json()["newest"] is None
    assert host.client.get(f"{PATH}/file").status_code == 404
    assert host.client.post(f"{PATH}/download", json={}).status_code == 404
    made = make(host, eventually, by="anna")
    assert (made["state"], made["newest"]["with_keys"], made["error"]) == ("idle", False, "")
    file = host.client.get(link(host.client))
    assert made["newest"]["bytes"] == len(file.content)
    assert KEY not in file.content
    whole = make(host, eventually, with_keys=True)
    content = host.client.get(link(host.client)).content
    assert KEY in content
    assert whole["newest"]["unix_ms"] >= made["newest"]["unix_ms"]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
    assert {"state.db", "settings.db", "users.db"} <= set(names)
    assert not [name for name in names if name.startswith("backups/")]
    rows = [row["action"] for row in host.client.get("/api/audit").json()["rows"]]
    assert {"make backup", "allow backup download", "download backup"} <= set(rows)
    assert host.client.request("DELETE", PATH, json={}).json()["newest"] is None
    assert not list((host.config.data_dir / "backups").iterdir())


def test_a_download_needs_an_admin_and_the_password(host, eventually):
    make(host, eventually)
    operator = host.client_with(host.service.access.tokens.make("op", Role.OPERATOR, "tests"))
    assert operator.get(PATH).status_code == 200
    assert operator.get(f"{PATH}/file").status_code == 403
    name, session = host.session_of(Role.ADMIN, "ada")
    client = host.client_with()
    headers = {"Cookie": f"{name}={session}", "Origin": host.url}
    path = link(client, headers)
    host.service.access.sessions._database.execute("UPDATE sessions SET confirmed_unix_ms=0")
    assert client.get(path, headers=headers).json()["needs_password"] is True
    assert client.post(f"{PATH}/download", json={}, headers=headers).status_code == 403
    assert client.post(PATH, json={}, headers=headers).status_code == 403
    assert client.post("/api/session/confirm", json={"password": PASSWORD},
                       headers=headers).status_code == 200
    assert client.get(path, headers=headers).status_code == 200


def test_each_download_is_asked_for_by_the_same_session_and_audited(host, eventually):
    host.service.nodes.adopt("idro-a", KEY)
    make(host, eventually, with_keys=True)
    client, people = host.client_with(), {}
    for who in ("ada", "bea"):
        name, session = host.session_of(Role.ADMIN, who)
        people[who] = {"Cookie": f"{name}={session}", "Origin": host.url}
    for path in (f"{PATH}/file", f"{PATH}/file?ticket=guessed"):
        assert client.get(path, headers=people["ada"]).status_code == 409
    path = link(client, people["ada"])
    assert client.get(path, headers=people["bea"]).status_code == 409
    assert KEY in client.get(path, headers=people["ada"]).content
    again = client.get(path, headers=people["ada"])
    assert again.status_code == 409
    assert KEY not in again.content
    rows = [row for row in host.service.access.audit.newest(100)
            if row.action == "download backup"]
    assert [(row.who, row.address, row.result) for row in rows] == [("ada", "127.0.0.1", "done")]
    assert json.loads(rows[0].detail)["with_keys"] is True


def test_a_token_neither_makes_nor_downloads_a_backup_with_keys(host, eventually):
    host.service.nodes.adopt("idro-a", KEY)
    token = host.client_with(host.service.access.tokens.make("night", Role.ADMIN, "tests"))
    assert token.post(PATH, json={"with_keys": True}).status_code == 403
    assert host.client.get(PATH).json()["newest"] is None
    make(host, eventually)
    path = link(token)
    make(host, eventually, with_keys=True)
    for answer in (token.post(f"{PATH}/download", json={}), token.get(path),
                   token.get(f"{PATH}/file")):
        assert answer.status_code == 403
        assert KEY not in answer.content
    make(host, eventually)
    assert token.get(link(token)).status_code == 200
    row = host.service.access.audit.newest(1)[0]
    assert (row.who, row.action) == ("token night", "download backup")


def test_a_backup_with_keys_is_never_taken_for_one_without(host, eventually):
    host.service.nodes.adopt("idro-a", KEY)
    plain = make(host, eventually, by="anna")["newest"]
    with sqlite3.connect(host.config.data_dir / "settings.db") as database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON settings"
                         " BEGIN SELECT RAISE(ABORT, 'no room'); END")
    failed = make(host, eventually, with_keys=True)
    assert (failed["state"], failed["newest"]) == ("failed", plain)
    content = host.client.get(link(host.client)).content
    assert len(content) == plain["bytes"]
    for file in (host.config.data_dir / "backups").iterdir():
        assert KEY not in file.read_bytes()

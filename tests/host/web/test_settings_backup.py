"""The backup in the settings: made beside a running host, downloaded by an admin only."""

import io
import tarfile

from idroserra.auth.roles import Role
from support.real_host import KEY, PASSWORD

PATH = "/api/settings/backup"


def make(host, eventually, **body):
    assert host.client.post(PATH, json=body).status_code == 202
    eventually(lambda: host.client.get(PATH).json()["state"] != "running", 20, "the backup")
    return host.client.get(PATH).json()


def test_a_backup_is_made_downloaded_replaced_and_deleted(host, eventually):
    host.node("idro-a")
    assert host.client.get(PATH).json()["newest"] is None
    assert host.client.get(f"{PATH}/file").status_code == 404
    made = make(host, eventually, by="anna")
    assert (made["state"], made["newest"]["with_keys"], made["error"]) == ("idle", False, "")
    file = host.client.get(f"{PATH}/file")
    assert made["newest"]["bytes"] == len(file.content)
    assert KEY not in file.content
    whole = make(host, eventually, with_keys=True)
    content = host.client.get(f"{PATH}/file").content
    assert KEY in content
    assert whole["newest"]["unix_ms"] >= made["newest"]["unix_ms"]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
    assert {"state.db", "settings.db", "users.db"} <= set(names)
    assert not [name for name in names if name.startswith("backups/")]
    assert host.client.post(f"{PATH}/download", json={}).json() == {"path": f"{PATH}/file"}
    rows = [row["action"] for row in host.client.get("/api/audit").json()["rows"]]
    assert {"make backup", "download backup"} <= set(rows)
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
    host.service.access.sessions._database.execute("UPDATE sessions SET confirmed_unix_ms=0")
    assert client.get(f"{PATH}/file", headers=headers).json()["needs_password"] is True
    assert client.post(PATH, json={}, headers=headers).status_code == 403
    assert client.post("/api/session/confirm", json={"password": PASSWORD},
                       headers=headers).status_code == 200
    assert client.get(f"{PATH}/file", headers=headers).status_code == 200

"""The doctor asks each other host, and names a token that may do more than read."""

from idroserra.auth.roles import Role
from idroserra.core.config import load_config
from idroserra.doctor.other_hosts import check_other_hosts
from support.raw_server import answer, raw_server
from support.real_host import own_host
from support.several_hosts import token_of

host = own_host


def look(folder, mode=0o600, **others):
    """Return {name: (state, found, advice)} of the checks; others: name=(url, token)."""
    configs = []
    for name, (url, token) in others.items():
        file = folder / f"{name}.token"
        file.write_text(token)
        file.chmod(mode)
        configs.append({"name": name, "url": url, "token_file": str(file)})
    found = check_other_hosts(load_config(overrides={"other_host": configs}).other_host)
    return {one.name: (one.state, one.found, one.advice) for one in found}


def test_each_host_is_asked_with_its_token(tmp_path, host):
    viewer, admin = token_of(host), token_of(host, Role.ADMIN, "too-much")
    with raw_server(answer(b'{"unix_ms": 1, "level": "ok", "role": "viewer"}')) as older:
        found = look(tmp_path, good=(host.url, viewer), admin=(host.url, admin),
                     refused=(host.url, "idro_x"), older=(older.url, "idro_x"))
    version = host.client.get("/api/status").json()["version"]
    assert found["host good"] == ("ok", f"{host.url}: version {version}, 0 nodes", "")
    state, text, advice = found["host admin"]
    assert state == "warn"
    assert text.endswith("; the token has role admin")
    assert "--role viewer" in advice
    assert found["host refused"] == (
        "fail", f"{host.url}: it refuses the token", "idroserra explain other_token_refused")
    state, text, _ = found["host older"]
    assert state == "warn"
    assert "it does not send version, parts, nodes" in text
    readable = look(tmp_path, 0o644, good=(host.url, viewer))["host good"]
    assert (readable[0], readable[2]) == ("warn", f"chmod 600 {tmp_path / 'good.token'}")


def test_without_other_hosts_there_is_nothing_to_check():
    assert list(check_other_hosts(())) == []

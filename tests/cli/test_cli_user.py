"""`idroserra user` and `idroserra audit` as processes, and how the command line gets in."""

import json
import sqlite3

import pytest

from idroserra.auth.roles import Role
from idroserra.auth.service import AuthService
from idroserra.core.sections.access import AccessConfig
from support.command_line import idroserra

PASSWORD = "a sentence for the tests\n"


@pytest.fixture
def run(tmp_path):
    def run(*words, stdin="", **env):
        done = idroserra(*words, typed=stdin,
                         env={"IDROSERRA_DATA_DIR": str(tmp_path / "data")} | env)
        return done.returncode, done.stdout, done.stderr

    return run


def test_users_and_tokens_without_a_running_host(run, tmp_path):
    assert "setup-token" in run("user", "list")[1]
    code, link, _ = run("user", "setup-token")
    assert code == 0
    assert link.startswith("http://127.0.0.1:8080/setup#idro_")
    assert run("user", "add", "anna", "--role", "viewer", "--stdin", stdin="short\n") == (
        1, "", "idroserra: password: at least 12 characters needed; a sentence is fine\n")
    assert run("user", "add", "anna", "--role", "king", "--stdin", stdin=PASSWORD)[0] == 2
    assert run("user", "add", "anna", "--role", "admin", "--stdin", stdin=PASSWORD)[0] == 0
    assert run("user", "setup-token")[0] == 1  # there is an admin now
    found = json.loads(run("user", "list", "--json")[1])
    assert [(one["name"], one["role"]) for one in found] == [("anna", "admin")]
    code, _, said = run("user", "remove", "anna")
    assert (code, said) == (
        1, "idroserra: anna: the only admin with a password; make another one first\n")
    secret = run("user", "token", "grafana", "--role", "viewer")[1].strip()
    assert secret.startswith("idro_")
    listed = run("user", "tokens")[1]
    assert "grafana" in listed
    assert secret not in listed
    assert run("user", "revoke", "grafana")[0] == 0
    assert run("user", "revoke", "grafana")[0] == 1
    code, whole, _ = run("audit", "--verify")
    assert code == 0
    line = whole.strip().rpartition(" ")[2]
    assert run("audit", "--verify", "--head", line)[0] == 0
    shown = run("audit")[1]
    assert "add user anna: done" in shown
    assert "from command line" in shown
    database = sqlite3.connect(tmp_path / "data" / "audit.db", isolation_level=None)
    database.execute("DROP TRIGGER audit_no_change")
    database.execute("UPDATE audit SET who='eve' WHERE seq=2")
    database.close()
    assert run("audit", "--verify") == (
        3, "", "idroserra: row 2: changed or moved\n")


def test_a_user_of_a_provider_is_listed_locked_out_and_let_in(run, tmp_path):
    folder = tmp_path / "data"
    access = AuthService(folder, AccessConfig(), lambda: 1_800_000_000_000)
    access.users.enter("https://sso.example", "7\x1b[2J", "otto", Role.OPERATOR)
    access.close()
    assert run("user", "lock-out", "otto")[:2] == (0, "otto can no longer log in.\n")
    line = run("user", "list")[1]
    assert line.split() == ["otto", "operator", "0", "sessions,", "7\\x1b[2J", "at",
                            "https://sso.example,", "locked", "out"]
    assert json.loads(run("user", "list", "--json")[1])[0]["is_locked_out"] is True
    assert run("user", "let-in", "otto")[0] == 0
    assert run("user", "role", "otto", "--role", "admin")[0] == 1
    assert "lock out user otto: done" in run("audit")[1]


def test_the_command_line_gets_in_here_by_itself_and_elsewhere_by_a_token(host, run, tmp_path):
    host.node("idro-a")
    asked = ("node", "list", "--url", host.url, "--json")
    code, out, said = run(*asked)
    assert (code, said) == (0, "")
    assert json.loads(out)[0]["node"] == "idro-a"
    elsewhere = {"XDG_STATE_HOME": str(tmp_path / "another user")}
    code, _, said = run(*asked, **elsewhere)
    assert code == 1
    assert "IDROSERRA_TOKEN" in said
    assert said.count("\n") == 1
    tokens = host.service.access.tokens
    viewer = tokens.make("viewer", Role.VIEWER, "tests")
    assert run(*asked, **elsewhere, IDROSERRA_TOKEN=viewer)[0] == 0
    file = tmp_path / "token"
    file.write_text(viewer + "\n")
    assert run("--token-file", str(file), *asked, **elsewhere)[0] == 0
    code, _, said = run("node", "stop", "idro-a", "--url", host.url, **elsewhere,
                        IDROSERRA_TOKEN=viewer)
    assert (code, said) == (1, "idroserra: your role is viewer: this needs operator\n")
    tokens.revoke("viewer")
    code, _, said = run(*asked, **elsewhere, IDROSERRA_TOKEN=viewer)
    assert (code, said) == (
        1, "idroserra: the token in IDROSERRA_TOKEN is unknown to the host or revoked\n")

"""Users, passwords, sessions, tokens and rate limits, in real files on a simulated clock."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from idroserra.auth.errors import (
    InvalidRequest,
    PasswordNotRecent,
    TooManyAttempts,
    UnknownUserOrToken,
    WrongPassword,
)
from idroserra.auth.identity import Identity, check_recent_password, set_identity, verified_name
from idroserra.auth.local_token import FILE, token_for
from idroserra.auth.rate_limit import MAX_PER_ACCOUNT, MAX_PER_ADDRESS, WINDOW_MS
from idroserra.auth.roles import MATRIX, Role, rule_of
from idroserra.auth.service import AuthService, Visitor
from idroserra.auth.users import SETUP_MS
from idroserra.core.sections.access import AccessConfig
from support.access_rig import HERE, MINUTE_MS, OTHER, PASSWORD, who


def stored_bytes(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_setup_token_makes_one_admin_once(access, clock):
    first = access.users.new_setup_token()
    token = access.users.new_setup_token()
    with pytest.raises(InvalidRequest, match="newest setup token"):
        access.set_up(first, "anna", PASSWORD, HERE)
    for name, password, said in (("anna", "short", "12 characters"), ("9", PASSWORD, "name"),
                                 ("host", PASSWORD, "means the machine"),
                                 ("anna", "aaaaaaaaaaaaaaaa", "too easy")):
        with pytest.raises(InvalidRequest, match=said):
            access.users.set_up(token, name, password)
    session = access.set_up(token, " Anna ", PASSWORD, HERE)  # a mistake does not use it up
    assert (who(access, session).name, who(access, session).role) == ("anna", Role.ADMIN)
    with pytest.raises(InvalidRequest, match="there is an admin"):
        access.set_up(token, "eve", PASSWORD, HERE)
    with pytest.raises(InvalidRequest, match="there is an admin"):
        access.users.new_setup_token()
    assert [user.name for user in access.users.all()] == ["anna"]


def test_a_setup_token_is_good_for_a_day(access, clock):
    token = access.users.new_setup_token()
    clock.go(SETUP_MS + 1)
    with pytest.raises(InvalidRequest, match="too old"):
        access.set_up(token, "anna", PASSWORD, HERE)


def test_of_many_at_once_one_becomes_the_admin(access):
    token = access.users.new_setup_token()

    def try_it(number):
        try:
            return access.users.set_up(token, f"user{number}", PASSWORD).name
        except InvalidRequest:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = [name for name in pool.map(try_it, range(4)) if name]
    assert [user.name for user in access.users.all()] == made
    assert len(made) == 1


def test_twenty_fresh_hosts_share_no_secret_and_no_way_in(tmp_path, clock):
    tokens = []
    for number in range(20):
        access = AuthService(tmp_path / str(number), AccessConfig(), clock)
        assert access.users.all() == []
        assert access.tokens.all() == []
        tokens.append(access.users.new_setup_token())
        access.close()
        assert (tmp_path / str(number) / "users.db").stat().st_mode & 0o077 == 0
    assert len(set(tokens)) == 20
    assert min(map(len, tokens)) >= 43  # 256 bits


def test_no_secret_is_stored_as_it_is(access, tmp_path):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    session = access.log_in("anna", PASSWORD, HERE)
    secret = access.tokens.make("grafana", Role.VIEWER, "anna")
    assert access.authenticate("", secret, "x").role is Role.VIEWER
    assert who(access, session).name == "anna"
    kept = stored_bytes(tmp_path)
    assert b"$argon2id$" in kept
    for text in (PASSWORD, session, secret):
        assert text.encode() not in kept


def test_a_session_ends_idle_and_at_its_absolute_end(access, clock):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    idle = access.log_in("anna", PASSWORD, HERE)
    clock.go(30 * MINUTE_MS - 1)
    assert who(access, idle) is not None  # this is use
    clock.go(30 * MINUTE_MS)
    assert who(access, idle) is None
    assert who(access, idle) is None
    used = access.log_in("anna", PASSWORD, HERE)
    for _ in range(12 * 4 - 1):
        clock.go(15 * MINUTE_MS)
        assert who(access, used) is not None
    clock.go(15 * MINUTE_MS)
    assert who(access, used) is None
    assert access.sessions.count("anna") == 0


def test_a_log_in_never_goes_on_with_an_older_session(access):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    first = access.log_in("anna", PASSWORD, HERE)
    second = access.log_in("anna", PASSWORD, Visitor("127.0.0.1", "", first))
    assert first != second
    assert who(access, first) is None
    fixed = "chosen-by-an-attacker"
    assert access.log_in("anna", PASSWORD, Visitor("127.0.0.1", "", fixed)) != fixed
    assert who(access, fixed) is None


def test_what_ends_which_sessions(access):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    access.users.add("bert", Role.VIEWER, PASSWORD)
    here, there = (access.log_in("anna", PASSWORD, HERE) for _ in range(2))
    bert = access.log_in("bert", PASSWORD, HERE)
    access.change_password(who(access, here), PASSWORD, OTHER)
    assert who(access, here) is not None
    assert who(access, there) is None
    with pytest.raises(WrongPassword):
        access.log_in("anna", PASSWORD, HERE)
    there = access.log_in("anna", OTHER, HERE)
    assert access.sessions.end_all("anna") == 2
    assert who(access, here) is None
    access.users.set_role("bert", Role.OPERATOR)
    assert who(access, bert).role is Role.OPERATOR  # at once
    access.users.remove("bert")
    assert who(access, bert) is None


def test_the_last_admin_stays(access):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    access.users.add("bert", Role.OPERATOR, PASSWORD)
    for change in (lambda: access.users.remove("anna"),
                   lambda: access.users.set_role("anna", Role.VIEWER)):
        with pytest.raises(InvalidRequest, match="the only admin"):
            change()
    access.users.set_role("bert", Role.ADMIN)
    access.users.remove("anna")
    with pytest.raises(UnknownUserOrToken):
        access.users.get("anna")
    with pytest.raises(InvalidRequest, match="taken"):
        access.users.add("BERT", Role.VIEWER, PASSWORD)


def test_of_a_thousand_guesses_few_are_judged(access, clock):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    evaluated, waits = 0, []
    for number in range(1_000):
        try:
            access.log_in("anna", f"guess number {number}", Visitor(f"10.0.{number % 250}.1"))
        except WrongPassword:
            evaluated += 1
        except TooManyAttempts as error:
            waits.append(error.wait_s)
    assert 0 < min(waits) <= max(waits) <= WINDOW_MS // 1_000
    assert evaluated == MAX_PER_ACCOUNT <= 20
    with pytest.raises(TooManyAttempts, match="wait 15 min, then"):
        access.log_in("anna", PASSWORD, HERE)  # the right one is not judged either
    assert len(access.audit.newest(1_000)) == MAX_PER_ACCOUNT + 1  # and the log does not swell
    clock.go(WINDOW_MS)
    assert access.log_in("anna", PASSWORD, HERE)


def test_one_address_may_not_try_every_name(access):
    evaluated = 0
    for number in range(60):
        try:
            access.log_in(f"user{number}", "a guess of some length", Visitor("10.0.0.9"))
        except WrongPassword:
            evaluated += 1
        except TooManyAttempts:
            pass
    assert evaluated == MAX_PER_ADDRESS <= 20


def test_guesses_at_once_are_no_way_around(access):
    access.users.add("anna", Role.ADMIN, PASSWORD)

    def guess(number):
        try:
            access.log_in("anna", f"guess number {number}", Visitor(f"10.0.0.{number}"))
        except WrongPassword:
            return 1
        except TooManyAttempts:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(40))) == MAX_PER_ACCOUNT


def test_a_right_password_resets_the_failure_count(access):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    for _ in range(3):
        for _ in range(MAX_PER_ACCOUNT - 1):
            with pytest.raises(WrongPassword):
                access.log_in("anna", "not the one at all", HERE)
        assert access.log_in("anna", PASSWORD, HERE)


def test_a_token_is_revocable_and_known_by_its_hash(access):
    secret = access.tokens.make("Grafana", Role.VIEWER, "anna")
    with pytest.raises(InvalidRequest, match="there is a token grafana"):
        access.tokens.make("grafana", Role.ADMIN, "anna")
    token, = access.tokens.all()
    assert (token.name, token.role, token.by) == ("grafana", Role.VIEWER, "anna")
    assert access.authenticate("", secret, "x").kind == "token"
    access.save_uses()
    assert access.tokens.all()[0].used_unix_ms is not None
    access.tokens.revoke("grafana")
    assert access.authenticate("", secret, "x") is None
    with pytest.raises(UnknownUserOrToken):
        access.tokens.revoke("grafana")


def test_the_command_line_gets_in_by_a_file_of_its_own_user(
    access, clock, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    url = "http://127.0.0.1:54321"
    assert token_for(url) is None
    access.local.open(54_321)
    token = token_for(url)
    file = tmp_path / "host" / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    found = access.authenticate("", token, "127.0.0.1")
    assert (found.kind, found.role) == ("local", Role.ADMIN)
    other = AuthService(
        tmp_path / "host", AccessConfig(), clock, clock.uptime
    )  # `idroserra user list`
    other.close()
    assert token_for(url) == token
    access.local.open(54_321)  # started again: the older one is worth nothing
    assert access.authenticate("", token, "127.0.0.1") is None
    access.local.close()
    assert token_for(url) is None
    assert not file.exists()
    assert os.listdir(tmp_path / "state" / "idroserra" / "hosts") == []


def test_doses_and_limits_need_a_fresh_password_of_a_person(access, clock):
    access.users.add("anna", Role.OPERATOR, PASSWORD)
    session = access.log_in("anna", PASSWORD, HERE)

    def fresh():
        set_identity(who(access, session))
        try:
            check_recent_password()
        finally:
            set_identity(None)

    fresh()
    clock.go(5 * MINUTE_MS + 1)
    with pytest.raises(PasswordNotRecent):
        fresh()
    with pytest.raises(WrongPassword):
        access.confirm(who(access, session), OTHER)
    with pytest.raises(PasswordNotRecent):
        fresh()
    access.confirm(who(access, session), PASSWORD)
    fresh()


def test_the_link_of_a_demo_lets_in_again_and_again_and_asks_for_no_password(access, clock):
    access.users.add("demo", Role.ADMIN, PASSWORD)
    with pytest.raises(WrongPassword):
        access.log_in_by_link("idro_guess", HERE)
    older, link = access.open_link("demo"), access.open_link("demo")
    with pytest.raises(WrongPassword):
        access.log_in_by_link(older, HERE)
    for _ in range(30):
        session = access.log_in_by_link(link, HERE)
    clock.go(20 * MINUTE_MS)
    set_identity(who(access, session))
    try:
        check_recent_password()
    finally:
        set_identity(None)


@pytest.mark.parametrize(("kind", "claimed", "expected"), [
    ("session", "somebody else", "anna"), ("session", "api", "anna"), ("token", "api", "anna"),
    ("token", "bert", "bert (anna)"), ("local", "bert (cli)", "bert (cli)"),
    ("token", "b" * 40, "b" * 33 + " (anna)"),
])
def test_a_person_acts_in_their_own_name(kind, claimed, expected):
    set_identity(Identity(kind, "anna", Role.OPERATOR))
    try:
        assert verified_name(claimed) == expected
    finally:
        set_identity(None)
    assert verified_name(claimed) == claimed


def test_what_has_no_row_is_refused():
    for method, path in (("GET", "/api/nothing"), ("PATCH", "/api/users"), ("POST", "/"),
                         ("GET", "/api/nodes/a/b"), ("GET", "//api/session"), ("TRACE", "/login"),
                         ("GET", "/api/session/"), ("DELETE", "/api/recipes")):
        assert rule_of(method, path) is None, (method, path)
    assert rule_of("HEAD", "/login").role is Role.ANYONE
    assert [rule.path for rule in MATRIX if rule.method != "GET" and not rule.action] == [
        "/api/account/preferences", "/api/boards/check", "/api/stock/recipe"]
    assert {rule.path for rule in MATRIX if rule.role is Role.ANYONE} == {
        "/login", "/login/openid", "/setup", "/static/{path:path}", "/api/session",
        "/api/session/link", "/api/session/openid", "/api/session/openid/return",
        "/api/setup", "/trust", "/authority.crt", "/manifest.webmanifest", "/offline",
        "/worker.js", "/help/reasons", "/docs", "/docs/{path:path}"}


def test_users_in_a_broken_file_are_an_error_at_the_start(tmp_path, clock):
    (tmp_path / "users.db").write_bytes(b"not a database" * 100)
    with pytest.raises(sqlite3.Error):
        AuthService(tmp_path, AccessConfig(), clock)

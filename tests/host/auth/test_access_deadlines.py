"""How long sessions, confirmations and lock-outs last, on any wall clock and on a full disk."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from idroserra.auth.clock import system_uptime
from idroserra.auth.errors import InvalidRequest, PasswordNotRecent, TooManyAttempts, WrongPassword
from idroserra.auth.identity import check_recent_password, set_identity
from idroserra.auth.passwords import hash_token
from idroserra.auth.rate_limit import MAX_PER_ACCOUNT, MAX_PER_ADDRESS, WINDOW_MS
from idroserra.auth.roles import Role
from idroserra.auth.service import Visitor
from idroserra.auth.sessions import MAX_PER_USER
from idroserra.auth.users import SETUP_MS
from support.access_rig import HERE, HOUR_MS, MINUTE_MS, OTHER, PASSWORD, fill_disk, who

YEARS_MS = 10 * 365 * 24 * HOUR_MS


def guess(access, name, visitor):
    """Give a wrong password for an account, as often as is judged."""
    for _ in range(MAX_PER_ACCOUNT):
        with pytest.raises(WrongPassword):
            access.log_in(name, OTHER, visitor)


def check_not_recent(identity):
    """Check that the password of this identity has to be given again."""
    set_identity(identity)
    try:
        with pytest.raises(PasswordNotRecent):
            check_recent_password()
    finally:
        set_identity(None)


def test_who_is_logged_in_stays_so_on_a_disk_that_takes_nothing(access, clock):
    access.users.add("anna", Role.OPERATOR, PASSWORD)
    session = access.log_in("anna", PASSWORD, HERE)
    secret = access.tokens.make("grafana", Role.VIEWER, "anna")
    fill_disk(access)
    clock.go(5 * MINUTE_MS)
    assert who(access, session).name == "anna"
    assert access.authenticate("", secret, "x").name == "grafana"


def test_no_writer_of_the_file_delays_who_comes_to_stop_the_pumps(
    access, clock, again, tmp_path, eventually
):
    access.users.add("anna", Role.OPERATOR, PASSWORD)
    session, other = (access.log_in("anna", PASSWORD, HERE) for _ in range(2))
    secret = access.tokens.make("script", Role.OPERATOR, "anna")
    clock.go(20 * MINUTE_MS)
    assert who(access, session) is not None  # there is a use to write
    found = []
    with closing(sqlite3.connect(tmp_path / "host" / "users.db", isolation_level=None)) as disk:
        disk.execute("BEGIN IMMEDIATE")
        waiting = [threading.Thread(target=call) for call in (
            lambda: access.sessions.end(hash_token(other)),
            lambda: access.tokens.make("another", Role.VIEWER, "anna"),
            access.save_uses)]
        for one in waiting:
            one.start()
        eventually(lambda: who(access, other) is None, 5, "it has ended in memory")
        visitor = threading.Thread(target=lambda: found.extend((
            who(access, session), access.authenticate("", secret, "x"),
            access.preferences.of("anna"))))
        visitor.start()
        eventually(lambda: len(found) == 3, 5, "they are let in")
        assert None not in found
        assert all(one.is_alive() for one in waiting), "they wait to write"
        disk.execute("ROLLBACK")
    for one in (visitor, *waiting):
        one.join(60)
    access.save_uses()
    clock.go(20 * MINUTE_MS)
    assert who(again(), session) is not None
    assert {one.name: one.used_unix_ms for one in access.tokens.all()} == {
        "another": None, "script": clock.unix_ms - 20 * MINUTE_MS}


def test_a_use_that_the_disk_does_not_take_counts_and_is_written_later(access, clock, again):
    access.users.add("anna", Role.OPERATOR, PASSWORD)
    session = access.log_in("anna", PASSWORD, HERE)
    fill_disk(access)
    for _ in range(3):
        clock.go(20 * MINUTE_MS)
        assert who(access, session) is not None
        access.save_uses()
    fill_disk(access, is_full=False)
    access.log_in("anna", PASSWORD, HERE)  # deletes what has ended
    assert who(again(), session) is not None


def test_somebody_new_gets_in_on_a_full_disk_to_stop_the_pumps(access, clock, again):
    access.users.add("anna", Role.OPERATOR, PASSWORD)
    old = access.log_in("anna", PASSWORD, HERE)
    fill_disk(access)
    new = access.log_in("anna", PASSWORD, Visitor("127.0.0.1", "", old))
    assert (who(access, new).name, who(access, new).role) == ("anna", Role.OPERATOR)
    assert who(access, old) is None  # it has ended, though the disk does not take it
    assert access.sessions.count("anna") == 1
    for _ in range(3):
        clock.go(29 * MINUTE_MS)
        assert who(access, new) is not None
    access.confirm(who(access, new), PASSWORD)
    assert who(access, new).confirmed_ms == who(access, new).now_ms
    with pytest.raises(WrongPassword):
        access.log_in("anna", OTHER, HERE)
    with pytest.raises(sqlite3.Error):
        access.sessions.end(hash_token(new))
    assert who(access, new) is None  # logged out until the host stops, and this one for good
    third = access.sessions.begin("anna", "127.0.0.1", "")
    clock.go(30 * MINUTE_MS)
    assert who(access, third) is None
    many = [access.sessions.begin("anna", "127.0.0.1", "") for _ in range(MAX_PER_USER + 1)]
    assert access.sessions.count("anna") == MAX_PER_USER
    assert [who(access, one) is None for one in many[:2]] == [True, False]
    fill_disk(access, is_full=False)
    assert who(access, many[-1]).role is Role.OPERATOR
    other = again()  # `idroserra user password` in a process of its own
    other.users.set_role("anna", Role.VIEWER)
    assert who(access, many[-1]).role is Role.VIEWER
    other.users.set_password("anna", OTHER)
    assert who(access, many[-1]) is None


def test_a_wall_clock_that_is_set_back_makes_no_session_fresh(access, clock, again):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    session = access.log_in("anna", PASSWORD, HERE)
    clock.unix_ms -= YEARS_MS
    clock.go(6 * MINUTE_MS)
    check_not_recent(who(access, session))
    clock.go(30 * MINUTE_MS)
    assert who(access, session) is None
    assert who(again(), session) is None
    used = access.log_in("anna", PASSWORD, HERE)  # and one of that time ends in time
    clock.unix_ms += YEARS_MS
    assert who(access, used) is not None  # a step forward ends none
    for _ in range(12 * 4 - 1):
        clock.go(15 * MINUTE_MS)
        assert who(access, used) is not None
    clock.go(15 * MINUTE_MS)
    assert who(access, used) is None


def test_a_wall_clock_that_is_set_back_prolongs_no_lock_out(access, clock):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    guess(access, "anna", HERE)
    clock.unix_ms -= YEARS_MS
    with pytest.raises(TooManyAttempts) as refused:
        access.log_in("anna", PASSWORD, HERE)
    assert refused.value.wait_s <= WINDOW_MS // 1_000
    clock.go(WINDOW_MS)
    assert access.log_in("anna", PASSWORD, HERE)


def test_a_wall_clock_that_is_set_forward_ends_no_lock_out(access, clock):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    guess(access, "anna", HERE)
    clock.unix_ms += YEARS_MS
    with pytest.raises(TooManyAttempts):
        access.log_in("anna", PASSWORD, HERE)


def test_a_host_that_starts_again_counts_on_whatever_the_wall_clock_says(access, clock, again):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    session = access.log_in("anna", PASSWORD, HERE)
    token = access.tokens.make("grafana", Role.VIEWER, "anna")
    clock.unix_ms -= YEARS_MS
    clock.go(20 * MINUTE_MS)
    first, second = again(), again()
    assert who(first, session) is not None
    first.save_uses()
    clock.go(20 * MINUTE_MS)  # the second reads what the first wrote
    assert who(second, session) is not None
    clock.go(31 * MINUTE_MS)
    assert who(again(), session) is None
    assert again().authenticate("", token, "x") is not None


def test_a_machine_that_starts_again_in_the_past_counts_from_its_last_time(access, clock, again):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    session = access.log_in("anna", PASSWORD, HERE)
    clock.go(30 * 24 * HOUR_MS)
    access.clock.save()  # every hour
    clock.restart_machine(-YEARS_MS)
    assert who(again(), session) is None
    new = again().log_in("anna", PASSWORD, HERE)
    assert who(again(), new) is not None
    clock.restart_machine(YEARS_MS + HOUR_MS)  # the right time again
    assert who(again(), new) is None


def test_a_session_or_a_password_of_the_future_is_none(access, clock):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    session = access.log_in("anna", PASSWORD, HERE)

    def moved(column, ms):
        with access.sessions._changing() as database:
            database.execute(f"UPDATE sessions SET {column} = {column} + ?", (ms,))

    moved("confirmed_unix_ms", 1_000)
    check_not_recent(who(access, session))
    for column in ("used_unix_ms", "begun_unix_ms"):
        moved(column, 1_000)
        assert who(access, session) is None
        moved(column, -1_000)
        assert who(access, session) is not None


def test_a_setup_token_counts_by_the_same_clock(access, clock):
    token = access.users.new_setup_token()
    clock.unix_ms -= YEARS_MS
    clock.go(SETUP_MS + 1)
    with pytest.raises(InvalidRequest, match="too old"):
        access.set_up(token, "anna", PASSWORD, HERE)


def test_the_uptime_of_this_machine_goes_on_in_another_process():
    here = system_uptime()
    there = subprocess.run(
        [sys.executable, "-c", "from idroserra.auth.clock import system_uptime as uptime\n"
         "print(*uptime())"], capture_output=True, text=True, check=True).stdout.split()
    after = system_uptime()
    assert here.boot_id == there[0] == after.boot_id
    assert here.ms <= int(there[1]) <= after.ms


def test_guesses_at_a_name_leave_its_open_session_alone(access):
    access.users.add("anna", Role.ADMIN, PASSWORD)
    session, other = (access.log_in("anna", PASSWORD, HERE) for _ in range(2))
    guess(access, "anna", Visitor("10.0.0.9"))
    for number in range(MAX_PER_ADDRESS):  # and at others from behind the same proxy
        access._limits.begin(HERE.address, f"user other{number}")
    access.confirm(who(access, session), PASSWORD)
    for _ in range(MAX_PER_ACCOUNT):  # in a session they count, too, and for it alone
        with pytest.raises(WrongPassword):
            access.confirm(who(access, session), OTHER)
    with pytest.raises(TooManyAttempts):
        access.confirm(who(access, session), PASSWORD)
    with pytest.raises(TooManyAttempts):
        access.change_password(who(access, session), PASSWORD, OTHER)
    access.confirm(who(access, other), PASSWORD)
    access.change_password(who(access, other), PASSWORD, OTHER)


def test_a_name_to_log_in_is_no_other_account_that_is_counted(access):
    token = access.users.new_setup_token()
    guess(access, f"setup {HERE.address}", Visitor("10.0.0.9"))
    assert access.set_up(token, "anna", PASSWORD, HERE)

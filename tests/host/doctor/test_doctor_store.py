"""The doctor finds a database that anybody may use: S16, with real influxd."""

import urllib.parse
import urllib.request

import pytest

from idroserra.core.config import StoreConfig
from idroserra.doctor.history import check_influx
from support.databases import Influxd

ELSEWHERE = ["127.0.0.2"]  # an address that what listens on 127.0.0.1 alone does not have


def look(database):
    [check] = check_influx(StoreConfig(kind="influx", url=database.url), ELSEWHERE)
    return check


def test_as_debian_installs_it_the_network_may_read_and_write(tmp_path):
    with Influxd(tmp_path, 'bind-address = ":PORT"') as database:
        check = look(database)
    assert (check.state, check.found) == (
        "fail", f"{database.url} requires no password, and it also listens on 127.0.0.2")
    assert f'bind-address = "127.0.0.1:{database.port}"; create an admin and' in check.advice


@pytest.mark.parametrize(("bind", "state", "expected"), [
    ("127.0.0.1:PORT", "ok", "only this machine reaches it"),
    (":PORT", "warn", "unencrypted: it also listens on 127.0.0.2"),
])
def test_one_that_asks_for_a_password(tmp_path, bind, state, expected):
    with Influxd(tmp_path, f'bind-address = "{bind}"\nauth-enabled = true') as database:
        query = "CREATE USER admin WITH PASSWORD 'of the tests' WITH ALL PRIVILEGES"
        urllib.request.urlopen(f"{database.url}/query", timeout=60, data=urllib.parse.urlencode(
            {"q": query}).encode()).close()
        check = look(database)
    assert check.state == state
    assert check.found.startswith(f"{database.url} requires a password")
    assert check.found.endswith(expected)


def test_on_loopback_without_a_password_is_worth_a_word(tmp_path):
    with Influxd(tmp_path) as database:
        check = look(database)
    assert (check.state, check.found) == (
        "warn", f"{database.url} requires no password, and only this machine reaches it")


def test_nothing_is_said_of_what_is_not_there(tmp_path):
    assert list(check_influx(StoreConfig(kind="sqlite"))) == []
    gone = Influxd(tmp_path)
    assert list(check_influx(StoreConfig(kind="influx", url=gone.url))) == []

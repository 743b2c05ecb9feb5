"""The doctor tells whether the OpenID provider is the right one, and what it lacks."""

import pytest

from idroserra.core.config import load_config
from idroserra.doctor.openid import check_openid
from support.hostile_provider import hostile_provider, status

DESCRIPTION = "/.well-known/openid-configuration"


@pytest.fixture
def provider():
    with hostile_provider(lambda: 1_800_000_000_000) as running:
        yield running


def look(provider, more=None, **openid):
    config = load_config(overrides={"access": {"openid": {
        "issuer": provider.issuer, "client_id": "idroserra", "roles": {"admin": ["in"]},
        **openid}}, **(more or {})})
    return [(check.state, check.found) for check in check_openid(config)]


def test_without_a_provider_there_is_nothing_to_check():
    assert list(check_openid(load_config())) == []


def test_the_addresses_to_register_are_those_of_the_page(provider):
    (found,) = look(provider)
    assert found == ("ok", f"{provider.issuer}; register these addresses at it: "
                           "http://127.0.0.1:8080/login/openid")
    (found,) = look(provider, {"http": {"public_url": "https://farm.example"}, "lan": {
        "enabled": True, "names": ["serra.lan"]}})
    assert found[1].endswith(
        ": https://farm.example/login/openid, https://serra.lan:8443/login/openid")


def test_a_provider_that_is_away_or_another_is_a_failure(provider):
    provider.keys = {"keys": []}
    assert look(provider)[0][0] == "fail"
    provider.instead[DESCRIPTION] = status(404)
    assert look(provider) == [("fail", f"{provider.issuer}: HTTP 404 for its description")]
    provider.instead = {}
    provider.description["issuer"] += "/"
    assert "access.openid.issuer is" in look(provider)[0][1]
    assert look(provider, ca_file="/nowhere.pem")[0][1].startswith("access.openid.ca_file: ")


def test_what_it_cannot_and_another_clock_are_told(provider):
    provider.description["claims_supported"] = ["sub", "iss"]
    assert look(provider)[1] == ("warn", "does not list the claim auth_time")
    provider.description["claims_supported"] += ["auth_time"]
    provider.ahead_s = 3_600
    state, found = look(provider)[1]
    assert (state, found.startswith("this clock differs from its by -3")) == ("fail", True)
    provider.ahead_s = -45
    assert look(provider)[1][0] == "warn"

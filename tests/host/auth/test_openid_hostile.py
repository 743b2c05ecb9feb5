"""A log-in at an OpenID provider that does wrong, or does not answer: no one is let in."""

import base64
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from joserfc import jws

from idroserra.auth.errors import TooManyAttempts
from idroserra.auth.openid.errors import LogInOver, ProviderRefused, ProviderUnavailable
from idroserra.auth.openid.http import MAX_ANSWER_BYTES, ProviderHttp, _cut
from idroserra.auth.openid.login import OpenIdLogin
from idroserra.auth.openid.provider import LEEWAY_S, Provider
from idroserra.auth.rate_limit import MAX_PER_ADDRESS
from idroserra.auth.refusal_rows import MOST_ROWS
from idroserra.auth.roles import Role
from idroserra.core.config import load_config
from idroserra.core.sections.access import OpenIdConfig
from idroserra.core.validation import validate
from idroserra.pki.site_https import SiteHttps
from support.access_rig import HERE, PASSWORD, fill_disk, who
from support.hostile_provider import (
    CLIENT_ID,
    KEY,
    OTHER_KEY,
    base64_of,
    drip,
    hang,
    hostile_provider,
    huge,
    query_of,
    status,
)

ORIGIN = "http://127.0.0.1:8080"
SHORT_S = 1.0  # of a right answer before the wrong one, on a loaded machine
DESCRIPTION = "/.well-known/openid-configuration"


@pytest.fixture
def provider(clock):
    with hostile_provider(clock) as running:
        yield running


@pytest.fixture
def login(access, provider, clock):
    return login_at(access, provider, clock)


def login_at(access, provider, clock, ca_file=None, answer_s=60):
    config = validate({"issuer": provider.issuer, "client_id": CLIENT_ID,
                       "roles": {"operator": ["in"]}}, OpenIdConfig)
    return OpenIdLogin(access, config, Provider(config, ProviderHttp(ca_file, answer_s), clock))


def log_in(login, provider, **returned):
    begun = login.begin(ORIGIN, "/", HERE)
    asked = query_of(begun.url)
    provider.nonce = asked["nonce"]
    answer = {"state": asked["state"], "code": "the code", "issuer": None,
              "cookie": begun.cookie} | returned
    return login.end(answer["state"], answer["code"], answer["issuer"], answer["cookie"], HERE,
                     None).session_id


def test_the_right_answer_lets_in(login, provider, access):
    session = log_in(login, provider)
    assert (who(access, session).name, who(access, session).role) == ("eve", Role.OPERATOR)
    path, form, headers = next(one for one in provider.asked if one[0] == "/token")
    assert form["redirect_uri"] == f"{ORIGIN}/login/openid"
    assert form["client_id"] == CLIENT_ID  # a public client
    assert "Authorization" not in headers


CLAIMS = {
    "another issuer": {"iss": "http://127.0.0.1:1"},
    "a longer issuer": {"iss": "ISSUER/"},
    "another audience": {"aud": "another"},
    "no audience": {"aud": []},
    "two audiences and no azp": {"aud": [CLIENT_ID, "another"]},
    "another azp": {"azp": "another"},
    "expired": {"exp": 1_799_999_000},
    "never expires": {"exp": "never"},
    "issued later": {"iat": 1_800_000_000 + LEEWAY_S + 5},
    "another nonce": {"nonce": "another"},
    "a list of nonces": {"nonce": ["NONCE"]},
    "no subject": {"sub": ""},
    "a number as subject": {"sub": 7},
    "a subject without an end": {"sub": "x" * 256},
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
def test_a_wrong_claim_is_refused(login, provider, access, claims):
    begun = login.begin(ORIGIN, "/", HERE)
    asked = query_of(begun.url)
    provider.nonce = asked["nonce"]
    words = {"ISSUER/": f"{provider.issuer}/"}
    provider.claims = {
        key: [asked["nonce"]] if value == ["NONCE"] else
        words.get(value, value) if isinstance(value, str) else value
        for key, value in claims.items()}
    with pytest.raises(ProviderRefused, match="ID token"):
        login.end(asked["state"], "the code", None, begun.cookie, HERE, None)
    assert access.users.all() == []
    (row,) = access.audit.newest(9)
    assert (row.who, row.action, row.result) == ("anonymous", "log in by OpenID", "refused")


@pytest.mark.parametrize("claim", ["sub", "preferred_username"])
def test_half_a_character_is_refused(login, provider, claim):
    """It can be neither stored nor shown."""
    begun = login.begin(ORIGIN, "/", HERE)
    asked = query_of(begun.url)
    provider.nonce = asked["nonce"]
    provider.claims = {claim: "HALF"}
    content = base64.urlsafe_b64decode(provider.id_token().split(".")[1] + "==")
    provider.tokens = {"id_token": jws.serialize_compact(
        provider.header, content.replace(b"HALF", rb"\ud800"), KEY)}
    with pytest.raises(ProviderRefused, match="ID token"):
        login.end(asked["state"], "the code", None, begun.cookie, HERE, None)


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp", "iat", "nonce"])
def test_a_missing_claim_is_refused(login, provider, claim):
    provider.dropped = (claim,)
    with pytest.raises(ProviderRefused, match="ID token"):
        log_in(login, provider)


def test_a_little_difference_of_the_clocks_is_no_error(login, provider):
    provider.claims = {"exp": 1_800_000_000 - LEEWAY_S + 5, "iat": 1_800_000_000 + LEEWAY_S - 5}
    assert log_in(login, provider)


SIGNED = {
    "no signature": ({"alg": "none"}, KEY),
    "the public key as a secret": ({"alg": "HS256", "kid": "one"}, KEY),
    "another key under this name": ({"alg": "RS256", "kid": "one"}, OTHER_KEY),
    "an unknown key": ({"alg": "RS256", "kid": "two"}, KEY),
}


@pytest.mark.parametrize(("header", "key"), SIGNED.values(), ids=SIGNED)
def test_a_wrong_signature_is_refused(login, provider, header, key):
    provider.header, provider.signing_key = header, key
    with pytest.raises(ProviderRefused, match="ID token"):
        log_in(login, provider)


def test_only_keys_of_signatures_count(login, provider):
    provider.keys = {"keys": [KEY.as_dict(private=False) | {"use": "enc"}]}
    with pytest.raises(ProviderUnavailable, match="its keys"):
        log_in(login, provider)
    provider.keys = {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}
    with pytest.raises(ProviderUnavailable, match="its keys"):
        log_in(login, provider)


def test_a_key_of_an_unknown_kind_keeps_no_one_out(login, provider):
    unknown = [{"kty": "EC", "crv": "P-1024", "x": "AA", "y": "AA", "kid": "two"},
               {"kty": "RSA", "kid": "three"}]
    provider.keys["keys"] += unknown
    assert log_in(login, provider)
    provider.keys = {"keys": unknown}
    with pytest.raises(ProviderUnavailable, match="its keys"):
        log_in(login, provider)


def test_a_key_that_changes_between_two_log_ins_counts_at_once(login, provider):
    assert log_in(login, provider)
    provider.keys = {"keys": [OTHER_KEY.as_dict(private=False)]}
    with pytest.raises(ProviderRefused):
        log_in(login, provider)
    provider.signing_key = OTHER_KEY
    assert log_in(login, provider)


ANSWERS = {
    "no token": {"id_token": None}, "no JWT": {"id_token": "a.b"},
    "a token of much": {"id_token": "x" * 600_000},
    "an odd header": {"id_token": f'{base64_of({"alg": "RS256", "crit": 1})}.e30.eA'},
    "a deep header": {"id_token": f'{base64_of(b"[" * 100_000)}.e30.eA'},
}


@pytest.mark.parametrize("tokens", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_token_is_refused(login, provider, tokens):
    provider.tokens = tokens
    with pytest.raises((ProviderRefused, ProviderUnavailable)):
        log_in(login, provider)


def test_a_refused_code_is_refused_without_words_of_others(login, provider):
    provider.instead["/token"] = status(400, b'{"error": "invalid_grant"}')
    with pytest.raises(ProviderRefused, match="'invalid_grant' for the code"):
        log_in(login, provider)
    provider.instead["/token"] = status(400, b'{"error": "<b>call 555</b>"}')
    with pytest.raises(ProviderRefused, match="HTTP 400 for the code"):
        log_in(login, provider)


def test_userinfo_counts_for_this_person_only(login, provider, access):
    provider.description["userinfo_endpoint"] = f"{provider.issuer}/userinfo"
    provider.dropped = ("groups",)
    provider.userinfo = {"sub": "id-of-eve", "groups": ["in"], "iss": "another", "nonce": "x"}
    assert who(access, log_in(login, provider)).role is Role.OPERATOR
    provider.userinfo = {"sub": "another", "groups": ["in"]}
    with pytest.raises(ProviderRefused, match="userinfo"):
        log_in(login, provider)


def test_no_one_is_in_the_audit_log_as_who_is_not_logged_in(login, provider, access):
    provider.claims = {"preferred_username": "Anonymous"}
    assert who(access, log_in(login, provider)).name == "anonymous-2"


def test_a_session_in_memory_is_not_of_the_next_person_of_this_name(
    login, provider, access, clock
):
    log_in(login, provider)
    fill_disk(access)
    session = log_in(login, provider)
    fill_disk(access, is_full=False)
    assert who(access, session).name == "eve"
    access.users.remove("eve")
    clock.go(1_000)
    provider.claims = {"sub": "id-of-another-eve"}
    assert who(access, log_in(login, provider)).name == "eve"
    assert who(access, session) is None


def test_the_issuer_in_the_address_must_be_this_one(login, provider):
    with pytest.raises(ProviderRefused, match="iss"):
        log_in(login, provider, issuer="http://127.0.0.1:1")
    provider.description["authorization_response_iss_parameter_supported"] = True
    with pytest.raises(ProviderRefused, match="iss"):
        log_in(login, provider)
    assert log_in(login, provider, issuer=provider.issuer)


def test_a_log_in_ends_once_and_in_its_browser_only(login, provider, clock):
    with pytest.raises(LogInOver):
        log_in(login, provider, cookie="of another browser")
    with pytest.raises(LogInOver):
        log_in(login, provider, state="of another log-in")
    begun = login.begin(ORIGIN, "/", HERE)
    asked = query_of(begun.url)
    provider.nonce = asked["nonce"]
    for _ in range(2):  # without the cookie it stays, so another browser cannot end it
        with pytest.raises(LogInOver):
            login.end(asked["state"], "code", None, "", HERE, None)
    assert login.end(asked["state"], "code", None, begun.cookie, HERE, None).session_id
    with pytest.raises(LogInOver):
        login.end(asked["state"], "code", None, begun.cookie, HERE, None)
    begun = login.begin(ORIGIN, "/", HERE)
    clock.go(11 * 60_000)
    with pytest.raises(LogInOver):
        login.end(query_of(begun.url)["state"], "code", None, begun.cookie, HERE, None)


DESCRIPTIONS = {
    "another issuer": {"issuer": "https://another.example"},
    "an endpoint without TLS": {"token_endpoint": "http://sso.example/token"},
    "an endpoint of another kind": {"jwks_uri": "file:///etc/passwd"},
    "no endpoint": {"token_endpoint": None},
}


@pytest.mark.parametrize("changed", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_wrong_description_begins_nothing(login, provider, changed):
    provider.description |= changed
    with pytest.raises(ProviderUnavailable):
        login.begin(ORIGIN, "/", HERE)


INSTEAD = {
    "an error": lambda provider: status(500),
    "a redirect": lambda provider: status(302, Location=f"{provider.issuer}/keys"),
    "no JSON": lambda provider: status(200, b"<html>"),
    "deep nesting": lambda provider: status(200, b"[" * 100_000),
    "no end": lambda provider: huge,
    "a little too much": lambda provider: status(200, b" " * (MAX_ANSWER_BYTES + 1)),
    "an end too early": lambda provider: status(200, b"{}", Content_Length="9"),
    "nothing": hang,
    "a slow header": drip,
    "a slow body": lambda provider: drip(provider, b"HTTP/1.1 200 OK\r\n\r\n{"),
    "no HTTP": lambda provider: drip(provider, b""),
}


@pytest.mark.parametrize("instead", INSTEAD.values(), ids=INSTEAD)
@pytest.mark.parametrize("path", [DESCRIPTION, "/token"])
def test_a_provider_that_does_not_answer_holds_up_a_log_in_shortly(
    provider, access, clock, path, instead
):
    login = login_at(access, provider, clock, answer_s=SHORT_S)
    provider.instead[path] = instead(provider)
    began_s = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        log_in(login, provider)
    assert time.monotonic() - began_s < 30 * SHORT_S
    assert access.users.all() == []


def test_a_provider_that_does_not_answer_holds_up_a_log_out_shortly(provider, access, clock):
    login = login_at(access, provider, clock, answer_s=SHORT_S)
    provider.instead[DESCRIPTION] = drip(provider)
    assert login.log_out_url(ORIGIN) == ""
    provider.instead = {}
    provider.description["end_session_endpoint"] = f"{provider.issuer}/end"
    assert login.log_out_url(ORIGIN).startswith(f"{provider.issuer}/end?")


def test_only_a_provider_whose_certificate_is_verified_counts(tmp_path, access, clock):
    lan = load_config(overrides={"lan": {"enabled": True, "names": ["127.0.0.1"]}}).lan
    files = SiteHttps(lan, "site", tmp_path)
    with hostile_provider(clock, files.context) as provider:
        assert log_in(login_at(access, provider, clock, tmp_path / "lan" / "authority.pem"),
                      provider)
        with pytest.raises(ProviderUnavailable, match="certificate verify failed"):
            login_at(access, provider, clock).begin(ORIGIN, "/", HERE)
        slow = login_at(
            access, provider, clock, tmp_path / "lan" / "authority.pem", answer_s=SHORT_S)
        for path in (DESCRIPTION, "/token"):
            provider.instead = {path: drip(provider)}
            with pytest.raises(ProviderUnavailable):
                log_in(slow, provider)


def test_a_connection_that_is_cut_off_reads_nothing_without_tls(tmp_path):
    """Else who delays an answer until then puts keys of their own in its place."""
    lan = load_config(overrides={"lan": {"enabled": True, "names": ["127.0.0.1"]}}).lan
    files = SiteHttps(lan, "site", tmp_path)
    here, there = socket.socketpair()
    trusting = ssl.create_default_context(cafile=tmp_path / "lan" / "authority.pem")
    with here, there, ThreadPoolExecutor(1) as pool:
        server = pool.submit(files.context.wrap_socket, there, server_side=True)
        client = trusting.wrap_socket(here, server_hostname="127.0.0.1")
        with client, server.result() as serving:
            socket.socket.sendall(serving, b'HTTP/1.1 200 OK\r\n\r\n{"keys": []}')
            _cut(client)
            with pytest.raises(ssl.SSLError):
                client.recv(4_096)


def test_log_ins_that_do_not_end_are_limited_and_apart_from_passwords(login, provider, access):
    for path in (DESCRIPTION, "/token") * 11:  # no fault of the person
        provider.instead = {path: status(500)}
        with pytest.raises(ProviderUnavailable):
            log_in(login, provider)
    assert len(access.audit.newest(99)) == MOST_ROWS  # and no more on the disk
    provider.instead = {}
    for _ in range(MAX_PER_ADDRESS):
        login.begin(ORIGIN, "/", HERE)
    for _ in range(3):
        with pytest.raises(TooManyAttempts):
            login.begin(ORIGIN, "/", HERE)
    assert [row.reason[:8] for row in access.audit.newest(3)][1:] != ["too many"] * 2
    access.users.add("anna", Role.ADMIN, PASSWORD)
    assert access.log_in("anna", PASSWORD, HERE)

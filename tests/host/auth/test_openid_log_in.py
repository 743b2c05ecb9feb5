"""Log-in at a real OpenID provider: who gets in as what, and how a session is confirmed."""

import time

import pytest

from idroserra.auth.errors import InvalidRequest, LockedOut, TooManyAttempts, WrongPassword
from idroserra.auth.identity import FRESH_MS, check_recent_password, set_identity
from idroserra.auth.openid.errors import (
    AnotherPerson,
    LogInOver,
    NoRole,
    NotFresh,
    ProviderRefused,
)
from idroserra.auth.openid.login import open_login
from idroserra.auth.roles import Role
from idroserra.core.sections.access import OpenIdConfig
from idroserra.core.validation import validate
from support.access_rig import HERE, PASSWORD, fill_disk, who
from support.hostile_provider import query_of
from support.openid_provider import ADA, ProviderBrowser, openid_provider

ORIGIN = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def provider():
    with openid_provider([ORIGIN]) as running:
        yield running


@pytest.fixture
def clock(clock):
    """The real time, as the provider has no other."""
    clock.unix_ms = int(time.time() * 1_000)
    return clock


class Rig:
    """A host, its provider and a browser."""

    def __init__(self, access, provider, **config):
        self.access = access
        self.provider = provider
        self.browser = ProviderBrowser()
        wanted = validate(provider.config(**config), OpenIdConfig)
        self.login = open_login(access, wanted)

    def log_in(self, subject):
        """Return the identity of a new session."""
        begun = self.login.begin(ORIGIN, "/next", HERE)
        back = self.browser.log_in(begun.url, subject)
        ended = self.login.end(back["state"], back["code"], back["iss"], begun.cookie, HERE, None)
        assert ended.next_page == "/next"
        return self.identity(ended.session_id)

    def confirm(self, session_of, subject, change=lambda url: url):
        begun = self.login.begin(ORIGIN, "/next", HERE, session_of)
        back = self.browser.log_in(change(begun.url), subject)
        self.login.end(back["state"], back["code"], back["iss"], begun.cookie, HERE, session_of)

    def identity(self, session_id):
        self.session_id = session_id
        return who(self.access, session_id)

    def forget(self):
        """Go to the provider with another browser."""
        self.browser.close()
        self.browser = ProviderBrowser()


@pytest.fixture
def rig(access, provider):
    made = Rig(access, provider)
    yield made
    made.browser.close()


def test_each_group_gives_its_role_and_a_name_that_is_free(rig, access):
    access.users.add("ada", Role.VIEWER, PASSWORD)
    for subject, name, role in ((ADA, "ada-2", Role.ADMIN), ("id-of-otto", "otto", Role.OPERATOR),
                                ("id-of-vera", "vera", Role.VIEWER)):
        rig.forget()
        person = rig.log_in(subject)
        assert (person.name, person.role, person.kind) == (name, role, "session")
    rig.forget()
    assert rig.log_in(ADA).name == "ada-2"  # bound to the subject
    assert access.users.get("ada").role is Role.VIEWER
    with pytest.raises(WrongPassword):
        access.log_in("otto", "", HERE)
    assert [row.action for row in access.audit.newest(4)][1:] == ["log in by OpenID"] * 3


def test_a_renamed_person_keeps_the_user_and_another_does_not_get_it(rig, access, provider):
    rig.log_in("id-of-otto")
    accounts = provider.settings["accounts"]
    provider.stop()
    accounts["id-of-otto"] = accounts["id-of-otto"] | {"preferred_username": "olga"}
    accounts["id-of-thief"] = {"preferred_username": "otto", "groups": ["idro-admins"]}
    try:
        provider.start()  # and with new keys
        rig.forget()
        assert rig.log_in("id-of-otto").name == "otto"
        rig.forget()
        assert rig.log_in("id-of-thief").name == "otto-2"
    finally:
        provider.stop()
        accounts["id-of-otto"] = accounts["id-of-otto"] | {"preferred_username": "otto"}
        provider.start()


def test_without_a_role_there_is_no_entry(rig, access):
    with pytest.raises(NoRole, match="Farm login knows you as nina"):
        rig.log_in("id-of-nina")
    assert access.users.all() == []
    assert access.audit.newest(1)[0].result == "refused"


def test_a_lower_role_ends_the_sessions_and_none_ends_all(access, provider, rig):
    first = rig.log_in(ADA)
    session = rig.session_id
    lower = Rig(access, provider, roles={"viewer": ["growers"]})
    assert lower.log_in(ADA).role is Role.VIEWER
    assert who(access, session) is None
    none = Rig(access, provider, roles={"viewer": ["others"]})
    with pytest.raises(NoRole):
        none.log_in(ADA)
    assert who(access, lower.session_id) is None
    assert access.users.get(first.name).role is Role.VIEWER
    for one in (lower, none):
        one.browser.close()


def test_claims_of_userinfo_and_nested_ones_count(access, tmp_path):
    accounts = {"id-of-otto": {"preferred_username": "otto", "groups": {"of": {"farm": "op"}}}}
    with openid_provider([ORIGIN], accounts=accounts, claims_in_id_token=False,
                         algorithm="ES256") as provider:
        rig = Rig(access, provider, role_claim="groups.of.farm", roles={"operator": ["op"]})
        assert rig.log_in("id-of-otto").role is Role.OPERATOR
        rig.browser.close()


def test_an_admin_here_locks_one_out(rig, access):
    person = rig.log_in("id-of-otto")
    access.lock_out(person.name, is_locked_out=True)
    assert who(access, rig.session_id) is None
    with pytest.raises(LockedOut, match="otto is locked out"):
        rig.log_in("id-of-otto")
    assert access.audit.newest(1)[0][2] == "otto"
    access.lock_out(person.name, is_locked_out=False)
    assert rig.log_in("id-of-otto").name == "otto"
    access.users.add("anna", Role.ADMIN, PASSWORD)
    with pytest.raises(InvalidRequest, match="has a password"):
        access.lock_out("anna", is_locked_out=True)


def test_the_provider_decides_on_role_and_password(rig, access):
    person = rig.log_in(ADA)
    for change in (lambda: access.users.set_role(person.name, Role.VIEWER),
                   lambda: access.users.set_password(person.name, PASSWORD)):
        with pytest.raises(InvalidRequest, match="logs in at http"):
            change()


def test_an_admin_with_a_password_remains(rig, access):
    rig.log_in(ADA)
    assert not access.users.has_admin
    access.users.add("anna", Role.ADMIN, PASSWORD)
    with pytest.raises(InvalidRequest, match="the only admin with a password"):
        access.users.remove("anna")
    access.users.remove("ada")
    assert access.users.of_provider(rig.provider.issuer, ADA) is None


def test_a_critical_action_needs_a_fresh_answer_of_the_provider(rig, access, clock):
    person = rig.log_in("id-of-otto")
    set_identity(person)
    check_recent_password()  # the provider has just asked
    clock.go(2 * FRESH_MS)
    set_identity(rig.identity(rig.session_id))
    with pytest.raises(Exception, match="confirm your password"):
        check_recent_password()
    clock.go(-2 * FRESH_MS)
    rig.forget()
    with pytest.raises(AnotherPerson):
        rig.confirm(person, "id-of-vera")
    assert [user.name for user in access.users.all()] == ["otto"]
    rig.forget()
    rig.log_in("id-of-otto")
    rig.confirm(rig.identity(rig.session_id), "id-of-otto")
    assert rig.browser.asked  # though it knew him
    assert access.audit.newest(1)[0].action == "confirm by OpenID"


def test_a_log_in_that_the_provider_did_not_ask_for_confirms_nothing(rig, access, clock):
    rig.log_in("id-of-otto")
    clock.unix_ms += FRESH_MS  # for the host its answer is old then
    person = rig.log_in("id-of-otto")
    assert not rig.browser.asked
    assert person.confirmed_ms == 0

    def without_asking(url):
        return url.replace("prompt=login", "prompt=none")

    with pytest.raises(NotFresh):
        rig.confirm(person, "id-of-otto", without_asking)
    rig.login = open_login(access, validate(
        rig.provider.config(roles={"viewer": ["idro-operators"]}), OpenIdConfig))
    with pytest.raises(NotFresh):
        rig.confirm(person, "id-of-otto", without_asking)
    assert access.users.get("otto").role is Role.VIEWER
    assert who(access, rig.session_id) is None


def test_a_confirmation_is_of_its_session_and_limited(rig, access):
    person = rig.log_in("id-of-otto")
    begun = rig.login.begin(ORIGIN, "/", HERE, person)
    back = rig.browser.log_in(begun.url, "id-of-otto")
    other = rig.log_in("id-of-otto")
    for another in (None, other):
        with pytest.raises(LogInOver):
            rig.login.end(back["state"], back["code"], None, begun.cookie, HERE, another)
    for _ in range(4):
        rig.login.begin(ORIGIN, "/", HERE, other)
    rig.login.begin(ORIGIN, "/", HERE, other)
    with pytest.raises(TooManyAttempts):
        rig.login.begin(ORIGIN, "/", HERE, other)
    access.users.add("anna", Role.ADMIN, PASSWORD)
    anna = who(access, access.log_in("anna", PASSWORD, HERE))
    with pytest.raises(InvalidRequest, match="password to confirm"):
        rig.login.begin(ORIGIN, "/", HERE, anna)


def test_a_code_works_with_the_secrets_of_its_log_in_only(rig, provider):
    """The provider refuses a code with another verifier (PKCE), and a client with another
    secret."""
    first, second = (rig.login.begin(ORIGIN, "/", HERE) for _ in range(2))
    back = rig.browser.log_in(first.url, "id-of-otto")
    with pytest.raises(ProviderRefused, match="invalid_grant"):
        rig.login.end(query_of(second.url)["state"], back["code"], back["iss"], second.cookie,
                      HERE, None)
    wrong = Rig(rig.access, provider, client_secret="another")
    with pytest.raises(ProviderRefused, match="invalid_client"):
        wrong.log_in("id-of-otto")
    wrong.browser.close()


def test_a_full_disk_keeps_a_known_person_in(rig, access):
    rig.log_in("id-of-otto")
    fill_disk(access)
    assert rig.log_in("id-of-otto").role is Role.OPERATOR


def test_the_address_to_log_out_names_the_host(rig):
    """Also if the host was restarted since the log-in."""
    asked = query_of(rig.login.log_out_url(ORIGIN))
    assert asked == {"client_id": "idroserra", "post_logout_redirect_uri": f"{ORIGIN}/login"}

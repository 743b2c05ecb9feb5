"""A restore brings no token back that was revoked since the backup, and no one who was locked out.
"""

from contextlib import closing
from datetime import UTC, datetime

import pytest

from idroserra.auth.errors import LockedOut
from idroserra.auth.roles import Role
from idroserra.auth.service import AuthService
from idroserra.backup.create import make_backup
from idroserra.backup.restore import restore
from idroserra.core.config import load_config
from support.real_host import PASSWORD

ISSUER = "https://id.example"
NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)


def access_of(folder):
    config = load_config(None, {"site": "farm", "data_dir": str(folder)})
    return closing(AuthService(folder, config.access, lambda: 1))


@pytest.fixture
def secret(tmp_path):
    """A folder with users and tokens, and a backup of it; the secret of one of the tokens."""
    (tmp_path / "old").mkdir()
    with access_of(tmp_path / "old") as access:
        for name, role in (("anna", Role.ADMIN), ("bob", Role.ADMIN), ("carla", Role.VIEWER)):
            access.users.add(name, role, PASSWORD)
        found = access.tokens.make("kept", Role.OPERATOR, "anna")
        access.tokens.make("stolen", Role.OPERATOR, "anna")
        access.audit.add("anna", "create token", target="stolen")
    make_backup(load_config(None, {"site": "farm", "data_dir": str(tmp_path / "old")}),
                tmp_path / "a.backup", with_keys=True, on_file=lambda *_: None)
    return found


def restored(tmp_path, folder):
    said = []
    restore(tmp_path / "a.backup", tmp_path / folder, NOW, said.append)
    with access_of(tmp_path / folder) as access:
        return ([one.name for one in access.users.all()],
                [one.name for one in access.tokens.all()], " ".join(said))


def test_a_token_that_was_revoked_since_stays_revoked(tmp_path, secret):
    with access_of(tmp_path / "old") as access:
        access.tokens.revoke("stolen")
        access.tokens.make("stolen", Role.VIEWER, "anna")  # another one of this name
        access.users.remove("bob")
        access.users.add("dario", Role.VIEWER, PASSWORD)
    users, tokens, said = restored(tmp_path, "old")
    assert (users, tokens) == (["anna", "bob", "carla"], ["kept"])
    assert "tokens that were revoked since the backup stay revoked: stolen" in said
    assert "users who were removed since the backup can log in again: bob" in said
    with access_of(tmp_path / "old") as access:
        assert access.tokens.find(secret).name == "kept"


def test_without_a_change_nothing_is_said(tmp_path, secret):
    users, tokens, said = restored(tmp_path, "old")
    assert (users, tokens) == (["anna", "bob", "carla"], ["kept", "stolen"])
    assert "since the backup" not in said


def test_a_person_who_was_locked_out_since_stays_so(tmp_path, secret):
    """One who had entered before the backup, and one who entered after it."""
    with access_of(tmp_path / "old") as access:
        access.users.enter(ISSUER, "1", "emil", Role.VIEWER)
    make_backup(load_config(None, {"site": "farm", "data_dir": str(tmp_path / "old")}),
                tmp_path / "a.backup", with_keys=True, on_file=lambda *_: None)
    with access_of(tmp_path / "old") as access:
        access.users.enter(ISSUER, "2", "flora", Role.ADMIN)
        for name in ("emil", "flora"):
            access.lock_out(name, is_locked_out=True)
    restored(tmp_path, "old")
    with access_of(tmp_path / "old") as access:
        for subject in ("1", "2"):
            with pytest.raises(LockedOut):
                access.users.enter(ISSUER, subject, "new", Role.ADMIN)
        assert not [one for one in access.users.all() if one.is_locked_out
                    and one.name not in ("emil", "flora")]


def test_another_person_of_the_name_is_not_locked_out(tmp_path, secret):
    with access_of(tmp_path / "old") as access:
        access.users.remove("carla")
        access.users.enter(ISSUER, "3", "carla", Role.VIEWER)
        access.lock_out("carla", is_locked_out=True)
    restored(tmp_path, "old")
    with access_of(tmp_path / "old") as access:
        assert not access.users.get("carla").is_locked_out
        with pytest.raises(LockedOut):
            access.users.enter(ISSUER, "3", "new", Role.ADMIN)


@pytest.mark.parametrize(("folder", "is_said"), [("new", False), ("other", True)])
def test_another_host_withdraws_nothing(tmp_path, secret, folder, is_said):
    if folder == "other":
        (tmp_path / folder).mkdir()
        with access_of(tmp_path / folder) as access:
            access.users.add("zoe", Role.ADMIN, PASSWORD)
            access.audit.add("zoe", "set up")
    users, tokens, said = restored(tmp_path, folder)
    assert (users, tokens) == (["anna", "bob", "carla"], ["kept", "stolen"])
    assert ("have access again: compare with what was in" in said) == is_said


@pytest.mark.parametrize("name", ["users.db", "audit.db"])
def test_damage_in_what_is_replaced_is_reported(tmp_path, secret, name):
    (tmp_path / "old" / name).write_text("damaged, and longer than a header of SQLite" * 9)
    users, tokens, said = restored(tmp_path, "old")
    assert (users, tokens) == (["anna", "bob", "carla"], ["kept", "stolen"])
    assert f"{name}: file is not a database" in said
    assert "have access again" in said

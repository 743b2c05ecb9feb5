"""A restore brings no token and no user back that was withdrawn since the backup."""

from contextlib import closing
from datetime import UTC, datetime

import pytest

from idroserra.auth.roles import Role
from idroserra.auth.service import AuthService
from idroserra.backup.create import make_backup
from idroserra.backup.restore import restore
from idroserra.core.config import load_config
from support.real_host import PASSWORD

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


def test_what_was_withdrawn_since_stays_so(tmp_path, secret):
    with access_of(tmp_path / "old") as access:
        access.tokens.revoke("stolen")
        access.tokens.make("stolen", Role.VIEWER, "anna")  # another one of this name
        access.users.remove("bob")
        access.users.add("dario", Role.VIEWER, PASSWORD)
    users, tokens, _ = restored(tmp_path, "old")
    assert (users, tokens) == (["anna", "carla"], ["kept"])
    with access_of(tmp_path / "old") as access:
        assert access.tokens.find(secret).name == "kept"


def test_a_user_who_was_locked_out_since_stays_so(tmp_path, secret):
    with access_of(tmp_path / "old") as access:
        access.users.enter("https://id.example", "1", "emil", Role.VIEWER)
    make_backup(load_config(None, {"site": "farm", "data_dir": str(tmp_path / "old")}),
                tmp_path / "b.backup", with_keys=True, on_file=lambda *_: None)
    with access_of(tmp_path / "old") as access:
        access.lock_out("emil", is_locked_out=True)
    restore(tmp_path / "b.backup", tmp_path / "old", NOW, lambda _: None)
    with access_of(tmp_path / "old") as access:
        assert access.users.get("emil").is_locked_out


@pytest.mark.parametrize("folder", ["new", "other"])
def test_another_host_withdraws_nothing(tmp_path, secret, folder):
    if folder == "other":
        (tmp_path / folder).mkdir()
        with access_of(tmp_path / folder) as access:
            access.users.add("zoe", Role.ADMIN, PASSWORD)
            access.audit.add("zoe", "set up")
    assert restored(tmp_path, folder)[:2] == (["anna", "bob", "carla"], ["kept", "stolen"])


def test_an_admin_remains(tmp_path, secret):
    with access_of(tmp_path / "old") as access:
        access.users.add("dario", Role.ADMIN, PASSWORD)
        for name in ("anna", "bob"):
            access.users.remove(name)
        access.tokens.revoke("stolen")
    assert restored(tmp_path, "old")[:2] == (["anna", "bob", "carla"], ["kept"])


def test_damage_in_what_is_replaced_is_reported(tmp_path, secret):
    (tmp_path / "old" / "users.db").write_text("damaged, and longer than a header of SQLite" * 9)
    users, tokens, said = restored(tmp_path, "old")
    assert (users, tokens) == (["anna", "bob", "carla"], ["kept", "stolen"])
    assert "tokens and users that were withdrawn since the backup are valid again" in said

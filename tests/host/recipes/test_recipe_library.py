"""The recipe library: written and read back, over restarts and in a backup."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from idroserra.recipes import model
from idroserra.recipes.recipe_library import CannotChange, RecipeLibrary, check
from idroserra.recipes.toml_text import draft_of, toml_of
from idroserra.server.service import Service
from support.filled_folder import back_up, config_of, put_back


@pytest.mark.parametrize("name", model.names())
def test_a_recipe_written_and_read_back_is_the_same(name):
    shipped = model.load(name)
    assert check(toml_of(draft_of(shipped)))._replace(toml="") == shipped._replace(toml="")


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_any_text_is_read_back_as_it_was_written(text):
    draft = replace(draft_of(model.load("basil")), text=text, sources=[text])
    found = check(toml_of(draft))
    assert (found.text, found.source) == (text, (text,))


def test_own_recipes_are_in_a_backup(tmp_path):
    service = Service(config_of(tmp_path / "old"))
    service.recipe_library.add(toml_of(draft_of(model.load("basil"), "mine")), "anna")
    service.stop()
    back_up(tmp_path / "old", tmp_path / "a.backup")
    put_back(tmp_path / "a.backup", tmp_path / "new")
    service = Service(config_of(tmp_path / "new"))
    entry = service.recipe_library.entry("mine")
    service.stop()
    assert (entry.recipe.crop, entry.is_own, entry.by) == ("basil", True, "anna")


def test_a_recipe_that_a_newer_host_saved_is_left_out_of_the_list(tmp_path):
    library = RecipeLibrary(tmp_path / "state.db", lambda: 1, lambda _: ())
    with library._database.transaction() as database:
        database.execute("INSERT INTO own_recipes VALUES ('later', '[recipe]', 'anna', 1)")
    assert [one.recipe.name for one in library.all()] == model.names()
    library.remove("later")
    library.close()


@pytest.fixture
def own_basil(tmp_path):
    """Return a library with an own recipe of the name of one that a later version ships."""
    library = RecipeLibrary(tmp_path / "state.db", lambda: 1, lambda _: ())
    _put_basil(library, OWN_BASIL)
    yield library
    library.close()


OWN_BASIL = toml_of(replace(draft_of(model.load("basil")), text="My own."))


def _put_basil(library, toml):
    with library._database.transaction() as database:
        database.execute("INSERT INTO own_recipes VALUES ('basil', ?, 'anna', 1)", (toml,))


def test_an_own_recipe_hides_a_shipped_one_of_its_name_and_says_so(own_basil):
    entry = own_basil.entry("basil")
    assert (entry.recipe.text, entry.is_own, entry.hides_shipped) == ("My own.", True, True)
    assert [(one.recipe.name, one.hides_shipped) for one in own_basil.all()] == [
        *((name, False) for name in model.names() if name != "basil"), ("basil", True)]
    own_basil.replace("basil", OWN_BASIL.replace("My own.", "Still my own."), "bert")
    assert own_basil.get("basil").text == "Still my own."


def test_the_shipped_recipe_is_back_once_the_own_one_is_renamed_or_deleted(own_basil):
    own_basil.replace("basil", OWN_BASIL.replace('name = "basil"', 'name = "mine"'), "anna")
    assert own_basil.entry("mine").recipe.text == "My own."
    assert own_basil.get("basil") == model.load("basil")
    _put_basil(own_basil, OWN_BASIL)
    own_basil.remove("basil")
    assert [one.recipe.name for one in own_basil.all()] == [*model.names(), "mine"]
    for change in (own_basil.remove, lambda name: own_basil.replace(name, OWN_BASIL, "anna")):
        with pytest.raises(CannotChange):
            change("basil")


def test_an_unreadable_own_recipe_hides_nothing_and_can_be_deleted(own_basil):
    own_basil.remove("basil")
    _put_basil(own_basil, "[recipe]")
    assert own_basil.get("basil") == model.load("basil")
    assert [one.recipe.name for one in own_basil.all()] == model.names()
    own_basil.remove("basil")
    with pytest.raises(CannotChange):
        own_basil.remove("basil")

"""Writes a recipe as the text of its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from idroserra.core.toml_text import toml_string
from idroserra.recipes.model import Recipe

Word = Annotated[str, Meta(max_length=80)]
_Text = Annotated[str, Meta(max_length=2_000)]


class StageDraft(msgspec.Struct, forbid_unknown_fields=True):
    """A stage: `settings` are those it changes; the first stage sets them all."""

    name: Word
    days: int
    settings: Annotated[dict[str, Any], Meta(max_length=40)]
    ramp_days: int = 1
    text: _Text = ""
    source: _Text = ""


class RecipeDraft(msgspec.Struct, forbid_unknown_fields=True):
    """A recipe as its author writes it, in a form too; only its sizes are checked yet."""

    name: Word
    text: _Text
    crop: Word
    ppfd_umol_m2_s: int
    sources: Annotated[Sequence[_Text], Meta(max_length=20)]
    stages: Annotated[list[StageDraft], Meta(max_length=40)]


def draft_of(recipe: Recipe, name: str | None = None) -> RecipeDraft:
    """Return a recipe as a draft, under another name if one is given."""
    return RecipeDraft(
        name or recipe.name, recipe.text, recipe.crop, recipe.ppfd_umol_m2_s, recipe.source,
        [StageDraft(stage.name, stage.days, own_settings(recipe, index), stage.ramp_days,
                    stage.text, stage.source) for index, stage in enumerate(recipe.stages)])


def own_settings(recipe: Recipe, index: int) -> dict[str, Any]:
    """Return the settings that a stage changes; the first sets them all."""
    settings = recipe.stages[index].settings
    before = recipe.stages[index - 1].settings if index else {}
    return {key: value for key, value in settings.items() if before.get(key) != value}


def toml_of(draft: RecipeDraft) -> str:
    """Return the text of a recipe's file."""
    sources = "".join(f"  {toml_string(one)},\n" for one in draft.sources)
    lines = ["[recipe]", *_pairs({
        "name": draft.name, "text": draft.text, "crop": draft.crop,
        "ppfd_umol_m2_s": draft.ppfd_umol_m2_s}), f"source = [\n{sources}]"]
    for index, stage in enumerate(draft.stages):
        lines += ["", "[[stage]]", *_pairs({"name": stage.name, "days": stage.days})]
        if index or stage.ramp_days != 1:
            lines += _pairs({"ramp_days": stage.ramp_days})
        lines += [*_pairs({"text": stage.text, "source": stage.source}), "[stage.settings]",
                  *_pairs(stage.settings, quote_keys=True)]
    return "\n".join(lines) + "\n"


def _pairs(values: Mapping[str, Any], *, quote_keys: bool = False) -> Iterable[str]:
    for key, value in values.items():
        name = key if not quote_keys or _is_dotted(key) else toml_string(key)
        yield f"{name} = {_value(value)}"


def _is_dotted(key: str) -> bool:
    return all(part.isascii() and part.replace("_", "a").isalnum() for part in key.split("."))


def _value(value: Any) -> str:
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return toml_string(str(value))  # no setting: the check names it

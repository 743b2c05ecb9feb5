"""Validation of external data against a declared shape: path and reason, no secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from idroserra.core.validation import Secret, ValidationError, string_pattern, validate


class Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, string_pattern(r"^[a-z]{1,3}$")] = "a"
    kind: Literal["sqlite", "influx"] | None = None
    token: Secret | None = None

    def __post_init__(self):
        if self.name == "bad":
            raise ValidationError(["name"], "is bad")


class Whole(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] | None = None
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    file: Path | None = None
    part: Part = msgspec.field(default_factory=Part)
    parts: Annotated[tuple[Part, ...], msgspec.Meta(max_length=2)] = ()
    tables: dict[str, dict[str, Any]] = {}
    needed: bool


WRONG = (
    ({}, "needed: field required"),
    ({"needed": 1, "more": 1}, "more: unknown key"),
    ({"needed": 1, "a\nb": 1}, "a b: unknown key"),
    ({"needed": "perhaps"}, "needed: input should be a valid boolean"),
    ({"needed": 1, "count": 10}, "count: input should be less than or equal to 9"),
    ({"needed": 1, "count": "many"}, "count: input should be a valid integer"),
    ({"needed": 1, "count": 1.5}, "count: input should be a valid integer"),
    ({"needed": 1, "share": 0}, "share: input should be greater than 0"),
    ({"needed": 1, "share": "nan"}, "share: input should be greater than 0"),
    ({"needed": 1, "file": 5}, "file: input should be a valid string"),
    ({"needed": 1, "part": {"name": "ab\n"}}, "part.name: string should match pattern "
                                             "'^[a-z]{1,3}$'"),
    ({"needed": 1, "part": {"kind": "duckdb"}}, "part.kind: input should be 'sqlite' or 'influx'"),
    ({"needed": 1, "part": {"name": "bad"}}, "part.name: is bad"),
    ({"needed": 1, "parts": [{}, {"kind": "x"}]}, "parts.1.kind: input should be 'sqlite' or "
                                                 "'influx'"),
    ({"needed": 1, "parts": [{}] * 3}, "parts: should have at most 2 items"),
    ({"needed": 1, "tables": {"a": 1}}, "tables: input should be a valid object"),
    ([], "input should be a valid object"),
)


@pytest.mark.parametrize(("value", "why"), WRONG, ids=[why for _, why in WRONG])
def test_what_does_not_fit_is_one_line_that_says_where(value, why):
    with pytest.raises(ValidationError) as refused:
        validate(value, Whole)
    assert str(refused.value) == why


def test_texts_that_stand_for_numbers_are_numbers():
    found = validate({"needed": "true", "count": "7", "share": "0.5", "file": "/a"}, Whole)
    assert (found.needed, found.count, found.share, found.file) == (True, 7, 0.5, Path("/a"))


def test_a_long_key_is_cut():
    with pytest.raises(ValidationError) as refused:
        validate({"needed": 1, "x" * 100_000: 1}, Whole)
    assert len(str(refused.value)) < 400


def test_a_secret_is_revealed_only_on_request():
    found = validate({"needed": 1, "part": {"token": "hunter2"}}, Whole)
    assert "hunter2" not in repr(found)
    assert "hunter2" not in f"{found.part.token}"
    assert found.part.token.get_secret_value() == "hunter2"
    with pytest.raises(ValidationError) as refused:
        validate({"needed": 1, "part": {"token": ["hunter2"]}}, Whole)
    assert "hunter2" not in str(refused.value)

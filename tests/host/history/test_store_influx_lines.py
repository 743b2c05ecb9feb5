"""Line protocol: whatever the text, one point stays one line with its own tags and fields."""

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.core.errors import StoreRejected
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.history.line_protocol import event_line, query_text, tag_value
from idroserra.history.models import EventPoint, SamplePoint
from support.samples import sample_lines

T0 = 1_795_507_200_123


def read_line(line):
    """A reader of line protocol written from its description: (measurement, tags, fields, ns)."""
    assert "\n" not in line
    head, rest = split_unescaped(line, " ", 1, quotes=False)  # quotes mean nothing in tags
    fields_text, ns = split_unescaped(rest, " ")
    measurement, *tags = split_unescaped(head, ",", quotes=False)
    fields = [split_unescaped(field, "=", 1) for field in split_unescaped(fields_text, ",")]
    return (
        measurement,
        {k: re.sub(r"\\([,= ])", r"\1", v)
         for k, v in (split_unescaped(tag, "=", quotes=False) for tag in tags)},
        {key: read_field(value) for key, value in fields},
        int(ns),
    )


def split_unescaped(text, separator, times=-1, quotes=True):
    parts, part, in_quotes, skip = [], "", False, False
    for char in text:
        if skip:
            skip = False
        elif char == "\\":
            skip = True
        elif char == '"' and quotes:
            in_quotes = not in_quotes
        elif char == separator and not in_quotes and times != 0:
            parts.append(part)
            part, times = "", times - 1
            continue
        part += char
    return [*parts, part]


def read_field(text):
    if text.startswith('"'):
        assert text.endswith('"')
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    return int(text[:-1]) if text.endswith("i") else float(text)


def test_one_line_a_source_and_instant_with_exact_decimals():
    lines = sample_lines("farm", [
        SamplePoint("idro-a1", "reservoir.ph", T0, 6.1),
        SamplePoint("idro-a1", "reservoir.ec_us_cm", T0, 1830),
        SamplePoint("idro-a1", "air.temp_c", T0, -0.05),
        SamplePoint("idro-a1", "reservoir.ph", T0 + 1, 7),
    ])
    assert lines == [
        f"sample,site=farm,node=idro-a1,source=reservoir ph=6.100,ec_us_cm=1830i {T0}000000",
        f"sample,site=farm,node=idro-a1,source=air temp_c=-0.05 {T0}000000",
        f"sample,site=farm,node=idro-a1,source=reservoir ph=7.000 {T0 + 1}000000",
    ]


def test_an_event_keeps_its_detail_whole_and_its_numbers_apart():
    event = EventPoint("idro-a1", T0 * 1000 + 7, 1007, "b1", "dosed",
                       {"actuator": "ph_down", "volume_ul": 2000, "on_ms": True, "by": None})
    measurement, tags, fields, ns = read_line(event_line("farm", event))
    assert (measurement, ns) == ("event", (T0 * 1000 + 7) * 1000)
    assert tags == {"site": "farm", "node": "idro-a1", "kind": "dosed"}
    assert json.loads(fields.pop("detail")) == event.detail
    assert fields == {"boot_id": "b1", "seq": 1007, "volume_ul": 2000}


def test_a_reason_stays_an_object_and_its_values_no_fields():
    why = Reason("b_missing", volume_ul=900, why=Reason("gap", actuator="ph_up", left_ms=5))
    event = EventPoint("idro-a1", T0 * 1000, 1, "b1", "decided",
                       {"loop": "ec", "reason": why.as_json()})
    _, _, fields, _ = read_line(event_line("farm", event))
    assert reason_from_json(json.loads(fields.pop("detail"))["reason"]) == why
    assert fields == {"boot_id": "b1", "seq": 1}


@settings(max_examples=300)
@given(site=st.text(max_size=20), boot_id=st.text(max_size=10), text=st.text(max_size=40))
def test_no_text_breaks_out_of_its_place(site, boot_id, text):
    event = EventPoint("idro-a1", T0 * 1000, 1, boot_id, "boot", {"reason": text})
    measurement, tags, fields, _ = read_line(event_line(site, event))
    assert measurement == "event"
    assert set(tags) - {"site"} == {"node", "kind"}
    assert tags.get("site", "") == unescaped_tag(site)
    assert set(fields) == {"boot_id", "seq", "detail"}
    assert json.loads(fields["detail"]) == {"reason": text}


def unescaped_tag(text):
    return re.sub(r"\\([,= ])", r"\1", tag_value(text))


@given(text=st.text(max_size=40))
def test_a_tag_never_ends_or_continues_a_line(text):
    escaped = tag_value(text)
    assert not re.search(r"(?<!\\)[,= ]", escaped)
    assert not re.search(r"\\(?![,= ])", escaped)
    assert all(ord(c) >= 32 for c in escaped)


@given(text=st.text(max_size=40))
def test_no_text_breaks_out_of_a_query(text):
    literal = query_text(text)
    assert re.fullmatch(r"'(?:[^'\\\n]|\\.)*'", literal, re.DOTALL)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_rejected(value):
    with pytest.raises(StoreRejected):
        sample_lines("farm", [SamplePoint("idro-a1", "reservoir.ph", T0, value)])

"""The details of the audit log in words."""

import json

import pytest

from idroserra.web.audit_words import detail_words


@pytest.mark.parametrize(("detail", "words"), [
    ({"values": {"ph.target": 5.9, "mixing.wait_ms": 1_800_000}, "by": "anna", "rev": 4},
     "pH target: 5.9; Wait after a dose: 30 min; revision: 4"),
    ({"verb": "dose", "args": {"actuator": "ph_down", "volume_ul": 2_500}, "ttl_ms": 20_000},
     "command: dose; output: pH down; volume: 2.5 ml"),
    ({"role": "admin"}, "role: admin"),
    ({"values": {"limit": 0.5, "on_delay_s": 600}, "node": ""},
     "limit: 0.5; raised after: 10 min"),
    ({"with_keys": True, "sites": ["Nord", "Sud"]}, "with keys: yes; sites: Nord, Sud"),
    ({"digest": "e1183407", "recipe": {
        "name": "bench-1", "crop": "lettuce", "ppfd_umol_m2_s": 300,
        "stages": [{"name": "rosette", "settings": {"ph.target": 6}}, {"name": "head"}]}},
     "name: bench-1; crop: lettuce; stages: rosette, head"),
    ({"recipe": {"name": "bench-1", "stages": None}}, "name: bench-1"),
    ({"recipe": {"name": "bench-1", "stages": 5}}, "name: bench-1"),
    ({"recipe": {"name": "bench-1", "stages": ["head", {"name": "rosette"}]}},
     "name: bench-1; stages: rosette"),
    ({"days": 1, "water": "soft"}, "days: 1; water: soft tap water"),
    ({"recipe": "lettuce", "toml": "[recipe]"}, "recipe: lettuce"),
    ({"keys": ["ph_high/idro-a"], "comment": "seen"}, "alarms: ph_high/idro-a; comment: seen"),
])
def test_details_are_in_words_without_the_marks_of_programs(detail, words):
    assert detail_words(json.dumps(detail)) == words


def test_what_was_cut_stays_as_it_is():
    assert detail_words('{"text": "an endl') == '{"text": "an endl'
    assert detail_words("") == ""

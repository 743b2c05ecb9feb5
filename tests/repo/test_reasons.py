"""The table of reasons, the places that make them, and their texts.

A reason is a code with values. Every code is made somewhere, everything that is made is in the
table with exactly these values, and nothing takes the text of a reason apart.
"""

import ast
import re
from fnmatch import fnmatchcase
from string import Formatter

import pytest

from idro.protocol import messages_host
from idro.protocol import reasons as contract
from idro.protocol.reasons import Row
from idroserra.core import reasons as of_host
from idroserra.i18n import host_reason_texts, node_reason_texts
from idroserra.i18n.marker import Plural
from idroserra.i18n.reason_texts import TEXTS
from support.reason_makers import parse, places
from support.reason_parsing import parsing_in_python, parsing_in_script
from support.source_tree import ROOT, files, name_of, python_files, report, tree

FIRMWARE, HOST = "firmware/idro", "host/idroserra"
# The tables, and what makes a Reason of a message or of stored data.
NO_MAKERS = {
    "firmware/idro/protocol/reasons.py", "firmware/idro/protocol/messages_host.py",
    "host/idroserra/core/reasons.py", "host/idroserra/i18n/node_reason_texts.py"}
# What earlier versions stored as a text: core.reasons makes it.
MADE_BY_TABLE = {"sentence"}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def sources(folder):
    return {name_of(path): path.read_text(encoding="utf-8") for path in python_files(folder)
            if name_of(path) not in NO_MAKERS}


@pytest.fixture(scope="module")
def made():
    """Every place that makes a reason."""
    return list(places(parse(sources(FIRMWARE) | sources(HOST))))


def codes_made(found, rows):
    """Return the codes of the places; of a table or pattern those that are known."""
    codes = set()
    for place in found:
        if place.is_table:
            codes |= {code for code in rows
                      if any(fnmatchcase(code, one) for one in place.codes or ())}
        else:
            codes |= place.codes or set()
    return codes


def wrong_places(found, rows, retired=()):
    """Return what is wrong with each place that makes a reason."""
    wrong = []
    for place in found:
        known = codes_made([place], rows)
        if place.codes is None or not known:
            wrong.append(f"{place.place}: its code is not found: write a text or a table")
            continue
        for code in sorted(known):
            row = rows.get(code)
            if code in retired:
                wrong.append(f"{place.place}: {code} is retired")
            elif row is None:
                wrong.append(f"{place.place}: {code} is in no table")
            elif not place.is_table and place.values is not None and (
                    place.values != frozenset(row.values)):
                wrong.append(f"{place.place}: {code} with {sorted(place.values)}, "
                             f"the table has {sorted(row.values)}")
    return wrong


def unmade(found, rows):
    return sorted(set(rows) - codes_made(found, rows) - MADE_BY_TABLE)


def wrong_texts(texts, rows):
    """Return what is wrong with the English texts of codes."""
    wrong = [f"{code}: no text" for code in sorted(set(rows) - set(texts))]
    wrong += [f"{code}: in no table" for code in sorted(set(texts) - set(rows))]
    for code in sorted(set(texts) & set(rows)):
        text = texts[code]
        for form in (text.one, text.many) if isinstance(text, Plural) else (text,):
            named = {name for _, name, _, _ in Formatter().parse(form) if name is not None}
            wrong += [f"{code}: {{{name}}} is not a value of its row"
                      for name in sorted(named - set(rows[code].values))]
        if isinstance(text, Plural) and text.counted not in rows[code].values:
            wrong.append(f"{code}: counts {text.counted}, which is not a value of its row")
    return wrong


def test_every_reason_that_is_made_is_in_the_table_with_its_values(made):
    wrong = wrong_places(made, of_host.REASONS, contract.RETIRED)
    assert not wrong, report("Correct the place, idro/protocol/reasons.py or core/reasons.py:",
                             wrong)


def test_every_code_is_made_somewhere(made):
    wrong = unmade(made, of_host.REASONS)
    assert not wrong, report("Retire the code (RETIRED) and delete its text:", wrong)


def test_a_code_that_is_gone_is_not_used_again():
    assert set(contract.RETIRED) & set(of_host.REASONS) == set()


def test_every_code_has_a_text_that_names_values_of_its_row():
    wrong = wrong_texts(TEXTS, of_host.REASONS)
    assert not wrong, report("Correct the texts in i18n or the table:", wrong)


def test_a_code_is_in_one_table():
    groups = [*contract.GROUPS, *tables(of_host, ("HOST_REASONS", "REASONS"), Row)]
    assert repeated(groups) == []
    assert {code for group in groups for code in group} == set(of_host.REASONS)
    texts = [*tables(node_reason_texts, ("NODE_TEXTS",), str | Plural),
             *tables(host_reason_texts, ("HOST_TEXTS",), str | Plural)]
    assert repeated(texts) == []


def tables(module, whole, kind):
    """Return the tables of a module, {code: row}, without `whole`, which hold others."""
    return [table for name, table in vars(module).items()
            if isinstance(table, dict) and name.isupper() and name not in whole
            and all(isinstance(row, kind) for row in table.values())
            and not name.endswith("VALUES")]


def repeated(found):
    codes = [code for table in found for code in table]
    return sorted({code for code in codes if codes.count(code) > 1})


def test_a_row_fits_on_the_wire():
    wrong = []
    for code, row in of_host.REASONS.items():
        if not _NAME.fullmatch(code) or len(code) > messages_host.MAX_CODE_CHARS:
            wrong.append(f"{code}: not a name of at most {messages_host.MAX_CODE_CHARS}")
        if len(row.values) > messages_host.MAX_REASON_VALUES or {"self", "code"} & set(row.values):
            wrong.append(f"{code}: values {row.values}")
        if row.severity not in contract.SEVERITIES or row.mender not in contract.MENDERS:
            wrong.append(f"{code}: {row.severity}, {row.mender}")
        wrong += [f"{code}: {name} has no unit" for name in row.values
                  if name not in of_host.VALUES]
    assert not wrong, report("Correct the table:", wrong)


def test_nothing_takes_the_text_of_a_reason_apart():
    found = []
    for folder in (FIRMWARE, HOST):
        for path in python_files(folder):
            found += [f"{name_of(path)}:{line}: {what}"
                      for line, what in parsing_in_python(tree(path))]
    for path in files():
        if path.suffix in (".js", ".html") and path.is_relative_to(ROOT / HOST):
            lines = path.read_text(encoding="utf-8").splitlines()
            found += [f"{name_of(path)}:{line}: {what}" for line, what in parsing_in_script(lines)]
    assert not found, report("Compare the code of a reason:", found)


# A small table and a module, each with one error at a time.
ROWS = {"mixing": Row(("left_ms",), "wait", "node"), "leak": Row((), "act", "grower"),
        "stopped": Row((), "act", "grower")}
LEDGER = 'LATCHES = ("", "stopped")\n'
GOOD = '''
from idro.protocol.reason import Reason
from idro.safety.ledger import LATCHES

def one(is_wet, left_ms):
    if left_ms:
        return Reason("mixing", left_ms=left_ms)
    return because("leak") if is_wet else Reason(LATCHES[1])

def because(code):
    return Reason(code)
'''


def planted(old="", new="", rows=ROWS, retired=()):
    """Return what is reported of the module with `old` replaced by `new`."""
    assert old in GOOD
    text = GOOD.replace(old, new, 1) if old else GOOD
    found = list(places(parse({"firmware/idro/app/one.py": text,
                               "firmware/idro/safety/ledger.py": LEDGER})))
    return wrong_places(found, rows, retired) + unmade(found, rows)


def test_the_small_module_is_right():
    assert planted() == []


@pytest.mark.parametrize(("old", "new", "said"), [
    ('"mixing"', '"mixin"', ["app/one.py:7: mixin is in no table", "mixing"]),
    ('because("leak")', 'because("leek")', ["app/one.py:8: leek is in no table", "leak"]),
    ("left_ms=left_ms", "left=left_ms", ["mixing with ['left'], the table has ['left_ms']"]),
    (", left_ms=left_ms", "", ["mixing with [], the table has ['left_ms']"]),
    (", left_ms=left_ms", ', **{"left": 1}', ["mixing with ['left'], the table has ['left_ms']"]),
    ("Reason(LATCHES[1])", "Reason(str(is_wet))", ["its code is not found", "stopped"]),
    ("Reason(LATCHES[1])", 'Reason("leak")', ["stopped"]),
    ('because("leak")', 'Reason("mixing" if left_ms else "leak", left_ms=1)',
     ["leak with ['left_ms'], the table has []"]),
], ids=str)
def test_a_wrong_place_is_found(old, new, said):
    found = planted(old, new)
    assert len(found) == len(said), found
    for line, words in zip(found, said, strict=True):
        assert words in line


def test_a_retired_and_an_unmade_code_are_found():
    assert planted(retired=("leak",)) == ["firmware/idro/app/one.py:8: leak is retired"]
    assert planted(rows=ROWS | {"noise": Row((), "ok", "node")}) == ["noise"]


def test_a_wrong_text_is_found():
    good = {"mixing": "{left_ms} left", "leak": "wet", "stopped": "by hand"}
    assert wrong_texts(good, ROWS) == []
    assert wrong_texts({**good, "stop": "by hand"}, ROWS) == ["stop: in no table"]
    assert wrong_texts({"mixing": "mixing", "leak": "wet"}, ROWS) == ["stopped: no text"]
    assert wrong_texts({**good, "leak": "wet, {mm}"}, ROWS) == [
        "leak: {mm} is not a value of its row"]
    assert wrong_texts({**good, "mixing": Plural("one", "{left_ms}", "count")}, ROWS) == [
        "mixing: counts count, which is not a value of its row"]


@pytest.mark.parametrize("line", [
    'reason.startswith("held: ")', 'decision.reason.split(",", 1)', 'detail["reason"] == "leak"',
    'detail.get("why") in ("a", "b")', '"held" in reason_text(reason)',
    're.match("held: (.*)", reason)', '_HELD.fullmatch(str(event.detail["reason"]))',
    'reason["text"].partition(":")', 'latch_reason != "stopped by a person"',
    '(report.reason or "").lower() == "x"',
])
def test_a_reason_taken_apart_is_found(line):
    assert list(parsing_in_python(ast.parse(line)))


@pytest.mark.parametrize("line", [
    'reason.code == "mixing"', 'reason is None', 'detail["reason"]["code"] in ("a", "b")',
    'reason == other', 'Reason("leak") == reason', 'reason_text(reason) + "."', 'reason != ""',
    'name.startswith("reason")',
])
def test_a_compared_code_is_allowed(line):
    assert not list(parsing_in_python(ast.parse(line)))


def test_a_reason_taken_apart_in_a_script_is_found():
    wrong = ['if (reason.startsWith("held: ")) {', "const [a] = detail.reason.text.split(':')",
             '/^held/.test(event.reason)', 'node.reason === "stopped"']
    right = ['if (reason.code === "mixing") {', "t('{reason}', { reason: reason.text })",
             '/^ph_/.test(reason.code)', "const text = reason ? reason.text : ''"]
    assert [line for line, _ in parsing_in_script(wrong + right)] == [1, 2, 3, 4]

"""What others wrote reaches a terminal as text: it moves no cursor and forges no line."""

import io
import json
import logging

import pytest

from idroserra.auth.audit import Audit
from idroserra.client.requests import now_unix_ms
from idroserra.core.terminal_text import printable, printable_json, printable_lines
from idroserra.web.process import LogFormatter
from support.command_line import idroserra

FORGED = "anna\n2026-11-27 08:00:00  ada from host: command: done\x1b[2J\x1b]0;x\x07\u202e\x9b"


def test_a_log_in_name_forges_no_row_of_the_audit_log(tmp_path):
    config = tmp_path / "host.toml"
    config.write_text(f'data_dir = "{tmp_path}"\n')
    log = Audit(tmp_path / "audit.db", now_unix_ms)
    log.add(FORGED, "log in", target=FORGED, address="10.0.0.9", result="refused", reason=FORGED,
            detail={"name": FORGED})
    log.close()
    shown = idroserra("audit", "--config", str(config)).stdout
    assert len(shown.splitlines()) == 1
    assert all(char.isprintable() for char in shown.rstrip("\n")), repr(shown)
    assert "anna\\x0a2026-11-27" in shown
    row = json.loads(idroserra("audit", "--config", str(config), "--json").stdout)
    assert row["who"] == FORGED  # JSON escapes by itself, and a program gets what was written


def test_a_note_and_a_refusal_move_no_cursor(host):
    host.node("idro-a")
    text = "first line\n\x1b[2J\x1b]52;c;cm0gLXJm\x07second\u202e\r"
    sent = host.client.post("/api/journal", json={"node": "idro-a", "kind": "note", "text": text,
                                                  "by": "x", "unix_ms": now_unix_ms()})
    assert sent.status_code == 201, sent.text
    shown = idroserra("journal", url=host.url).stdout
    assert "\\x1b[2J" in shown
    assert all(char.isprintable() for char in shown.replace("\n", "")), repr(shown)
    refused = idroserra("node", "show", "x\x1b[2J", url=host.url)
    assert refused.returncode != 0
    assert all(char.isprintable() for char in refused.stderr.replace("\n", "")), refused.stderr


def test_no_path_of_the_settings_moves_the_cursor_of_the_doctor(tmp_path):
    config = tmp_path / "host.toml"
    config.write_text(f'data_dir = "{tmp_path}/x\\u001b[2J\\u202ey"\n')
    shown = idroserra("doctor", "--config", str(config)).stdout
    assert "x\\x1b[2J\\u202ey" in shown.replace("\n", "")
    assert all(char.isprintable() for char in shown.replace("\n", "")), repr(shown)


def test_a_line_of_the_hosts_own_log_is_one_line():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(LogFormatter("%(message)s"))
    handler.handle(logging.makeLogRecord({"msg": "no log-in: %s", "args": (FORGED,)}))
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(("text", "shown"), [
    ("pH 5.8 · 水位低 · 3\u00a0000\u3000ml é", "pH 5.8 · 水位低 · 3\u00a0000\u3000ml é"),
    ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"), ("\x1b[31m\x7f\x9b", "\\x1b[31m\\x7f\\x9b"),
    ("\u202e\u2066\u2028\ud800\u200b", "\\u202e\\u2066\\u2028\\ud800\\u200b"),
    ("\U000e0041", "\\U000e0041"),
])
def test_what_is_no_printable_character_is_shown_by_its_number(text, shown):
    assert printable(text) == shown
    assert printable_lines("\n\t" + text.replace("\n", "").replace("\t", "")) == (
        "\n\t" + shown.replace("\\x0a", "").replace("\\x09", ""))
    assert printable_json({"\x1b": [text, 1, None]}) == {"\\x1b": [printable_lines(text), 1, None]}

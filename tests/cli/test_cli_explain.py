"""`idroserra explain`: every code in every language, similar codes, and completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from idroserra.alarms.rules import load_rules
from idroserra.cli.main import app
from idroserra.help.topics import codes, groups, topic_of
from idroserra.i18n.environment import terminal_locale
from idroserra.i18n.translate import LANGUAGES, Locale, gettext, use_locale
from support.command_line import idroserra

RUNNER = CliRunner()


def first_codes():
    """Return one code of each topic."""
    return [topic.codes[0] for group in groups() for topic in group.topics.values()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_is_explained(language):
    for code in codes() if language == "en" else first_codes():
        done = RUNNER.invoke(app, ["explain", code, "--language", language])
        assert done.exit_code == 0, code
        topic = topic_of(code)
        with use_locale(Locale(language)):
            texts = [gettext(topic.title), *map(gettext, topic.do)]
        for text in texts:
            assert text.replace("*", "") in done.output, code
        assert f"/help/reasons#{code}" in done.output


@pytest.mark.parametrize("name", load_rules())
def test_every_alarm_is_explained(name):
    done = RUNNER.invoke(app, ["explain", name, "--language", "en"])
    assert done.exit_code == 0
    assert f"Alarm {name}: {load_rules()[name].title}" in done.output


def test_a_reason_and_an_alarm_of_one_name_are_both_explained():
    done = RUNNER.invoke(app, ["explain", "leak", "--language", "en"])
    assert "water is on the floor" in done.output
    assert "Alarm leak: Water leaves faster than plants drink (urgent)" in done.output


def test_an_unknown_code_names_similar_ones():
    done = idroserra("explain", "mixng", "--language", "en")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "idroserra: mixng: no reason, fault or alarm has this code. Similar: mixing, arming\n")
    done = idroserra("explain", "0000", "--language", "en")
    assert done.returncode == 2
    assert "`idroserra explain` lists all codes" in done.stderr
    assert idroserra("explain", "mixing", "--language", "xx").returncode == 2


def test_without_a_code_all_are_listed():
    done = RUNNER.invoke(app, ["explain", "--language", "it"])
    assert done.exit_code == 0
    words = done.output.split()
    assert {*codes(), *load_rules()} <= set(words)
    assert "Perché il dosaggio si blocca" in done.output


@pytest.mark.parametrize(("environ", "language"), [
    ({}, "en"), ({"LANG": "C.UTF-8"}, "en"), ({"LANG": "it_IT.UTF-8"}, "it"),
    ({"LANG": "it_IT.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "zh"), ({"LANG": "de_DE"}, "en"),
    ({"LANG": "it_IT", "LC_MESSAGES": "C"}, "en"), ({"LANG": "zh"}, "zh"),
])
def test_the_language_is_that_of_the_terminal(environ, language):
    assert terminal_locale(environ) == Locale(language)


def test_a_shell_completes_codes():
    asked = {"_IDROSERRA_COMPLETE": "complete_bash", "COMP_WORDS": "idroserra explain mix",
             "COMP_CWORD": "2"}
    program = str(Path(sys.executable).with_name("idroserra"))
    done = subprocess.run(
        [program], env=os.environ | asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mixing"]


def test_other_commands_do_not_load_the_help():
    script = ("import sys; from idroserra.cli.main import app; app(['alarms', '--help'], "
              "standalone_mode=False); print([name for name in sys.modules "
              "if name.startswith('idroserra.help')])")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=True)
    assert done.stdout.splitlines()[-1] == "[]"

"""Every command on a page exists and has the options shown."""

import functools
import re
import shlex

import typer

from idroserra.cli.main import app
from support.source_tree import ROOT, report

_BLOCK = re.compile(r"^```(?:sh|console)?\n(.*?)^```$", re.M | re.S)
_COMMAND = re.compile(r"^(?:\$ )?(?:sudo -iu \w+ )?(?:\S*/)?idroserra (.+)$")
ROOT_COMMAND = typer.main.get_command(app)


@functools.cache
def subcommand(group, name):
    """Return a command of a group, None if there is none. Cached because it is slow."""
    return group.get_command(None, name)


def shown() -> list[tuple[str, str]]:
    """Return (page, arguments of `idroserra`) of every command in a block of a page."""
    found = []
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "bench" / "RESULTS.md",
                 *sorted((ROOT / "docs").rglob("*.md"))):
        for block in _BLOCK.findall(path.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                match = _COMMAND.match(line.strip())
                if match:
                    words = re.split(r" # | {3,}|[|>&;]", match[1])[0]
                    found.append((path.name, words.strip()))
    return found


def error_in(line: str) -> str:
    """Return the error in the arguments of a command, "" if there is none."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        return str(error)
    command = ROOT_COMMAND
    while words and hasattr(command, "list_commands") and not words[0].startswith("-"):
        name = words.pop(0)
        command = subcommand(command, name)
        if command is None:
            return f"no command {name}"
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    options = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    unknown = [option for option in options if option not in known | {"--help"}]
    return f"no option {', '.join(unknown)}" if unknown else ""


def test_every_command_on_a_page_exists():
    why = "Correct these commands:"
    commands = shown()
    assert len(commands) > 150
    found = [f"{page}: idroserra {line}: {wrong}" for page, line in commands
             if (wrong := error_in(line))]
    assert not found, report(why, found)


def test_unknown_commands_and_options_are_found():
    assert error_in("node dance serra") == "no command dance"
    assert error_in("node list --loud") == "no option --loud"
    assert error_in("node set NODE ph.target=6") == ""

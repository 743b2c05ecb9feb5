"""No text on a page tells an operator to type a command."""

import ast
import re

from idroserra.core.paths import PACKAGE
from tools import extract_messages

_COMMAND = re.compile(r"\bidroserra +[a-z]|\bsudo\b")
# Texts that only the terminal shows.
_TERMINAL = ("host/idroserra/cli/", "host/idroserra/terminal/")
# Modules whose errors the page shows in English, as the API answers them.
_ANSWERS = ("alarms", "auth", "backup", "calibration", "core", "history", "i18n", "inventory",
            "journal", "nodes", "recipes", "reports", "setpoints", "simulation", "updates", "web")
# Of a host's configuration, its start and its unit file.
_OF_FILES = {"updates/signing.py", "web/process.py", "core/config_help.py", "core/systemd.py"}


def shown():
    """Yield (file, text) of what pages show."""
    for folder, pattern in (("templates", "*.html"), ("static/js", "*.js")):
        for path in sorted((PACKAGE / "web" / folder).glob(pattern)):
            yield f"web/{folder}/{path.name}", path.read_text("utf-8")
    for message in extract_messages.template():
        files = [file for file, _ in message.locations if not file.startswith(_TERMINAL)]
        for text in message.id if isinstance(message.id, tuple) else (message.id,):
            yield from ((file.removeprefix("host/idroserra/"), text) for file in files)
    for folder in _ANSWERS:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            file = path.relative_to(PACKAGE).as_posix()
            yield from ((file, text) for text in constants(path) if file not in _OF_FILES)


def constants(path):
    """Return the strings of a module, without its docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [node.value for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            and node not in alone]


def test_no_page_tells_to_type_a_command():
    found = {f"{file}: {text[max(0, hit.start() - 30):hit.end() + 30]!r}"
             for file, text in shown() for hit in _COMMAND.finditer(text)}
    assert not found, "\n".join(sorted(found))

"""Every error of flashing and provisioning has its message on the page too."""

import ast

from support.source_tree import ROOT

# Of commands that the page has not: ports of the host's machine, scans of a line, and erasing
# only what a node knows.
TERMINAL_ONLY = {"ports.py", "modbus_scan.py", "onewire_scan.py"}
_OF_ERASE = "the secrets are erased, but"
_ARGUMENTS = 3  # what, way_out, on_page


def test_every_flash_error_has_a_message_for_the_page():
    without, found = [], 0
    for folder in ("flash", "provisioning"):
        for path in sorted((ROOT / "host" / "idroserra" / folder).glob("*.py")):
            if path.name in TERMINAL_ONLY:
                continue
            for call in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                        and call.func.id in ("FlashError", "_Differs")):
                    continue
                found += 1
                if len(call.args) < _ARGUMENTS and _OF_ERASE not in ast.unparse(call):
                    without.append(f"{path.name}:{call.lineno}")
    assert found > 30
    assert without == []

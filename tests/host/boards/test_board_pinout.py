"""The pinout shows every pin that is used, as it is wired, and no text of it meets another."""

import itertools
import xml.etree.ElementTree as ET

import pytest
from typer.testing import CliRunner

from idroserra.boards import compiler, netlist, pinout, power_budget
from idroserra.boards.chips import CHIPS
from idroserra.boards.devkits import DEVKITS
from idroserra.cli.board.app import app

SVG = "{http://www.w3.org/2000/svg}"
# A monospaced font is 0.602 em wide.
ADVANCE = 0.61


def drawn(name: str) -> tuple[compiler.LoadedBoard, ET.Element]:
    wired = compiler.read(compiler.path_of(name))
    return wired, ET.fromstring(pinout.svg(wired))


def texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def box(element: ET.Element) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) of a text."""
    size = float(element.attrib["font-size"])
    width = len(element.text or "") * size * ADVANCE
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[element.attrib["text-anchor"]]
    left = float(element.attrib["x"]) - shift * width
    base = float(element.attrib["y"])
    return left, base - 0.8 * size, left + width, base + 0.25 * size


@pytest.mark.parametrize("name", compiler.names())
def test_no_text_meets_another_or_leaves_the_picture(name):
    _, picture = drawn(name)
    boxes = [(element.text, box(element)) for element in picture.iter(f"{SVG}text")]
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, f"{one!r} meets {other!r}"
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for text, (left, top, right, bottom) in boxes:
        assert min(left, top, width - right, height - bottom) >= 0, text


@pytest.mark.parametrize("name", compiler.names())
def test_shows_all_that_hangs_on_the_board(name):
    wired, picture = drawn(name)
    shown = texts(picture)
    for pin, wire in netlist.wires(wired.file, wired.parts).items():
        assert f"GPIO{pin}" in shown
        assert wire.title in shown
        assert set(wire.details) <= set(shown)
        assert not wire.fit or f"fit: {wire.fit}" in shown
    whole = "\n".join(shown)
    for actuator in wired.compiled["actuators"]:
        assert f"{actuator['name']} ({actuator['part']})" in whole
    for sensor in wired.compiled["sensors"]:
        assert f"{sensor['part']} of {sensor['source']}: " in whole
    for rail in power_budget.rails(wired.file, wired.parts):
        assert not rail.draws or f"{rail.total_ma} mA of" in whole


def test_says_what_is_wired_to_a_pin():
    wired, picture = drawn("esp32-reservoir")
    shown = texts(picture)
    at = shown.index("ph_down (doser)")
    assert shown[at + 1:at + 3] == [
        "off at low, at most 10 s, load 300 mA", "fit: 10 k to ground",
    ]
    assert "0x44 sht4x of air: temp_c, rh_pct" in shown
    for mark in ("strapping", "flash", "input only", "console", "high at boot"):
        assert mark in shown


def test_names_the_outputs_of_expanders_as_the_modules_do():
    whole = "\n".join(texts(drawn("esp32s3-expanders")[1]))
    for place in ("relays GPA1", "relays GPB0", "mosfets LED15"):
        assert place in whole


@pytest.mark.parametrize(("chip", "count"), [("esp32", 38), ("esp32s3", 44), ("esp32s2", 32)])
def test_headers_are_those_of_the_development_board(chip, count):
    kit = DEVKITS[chip]
    both = kit.left + kit.right
    pins = [pin for pin in both if isinstance(pin, int)]
    assert len(both) == count
    assert len(kit.left) == len(kit.right)
    assert len(pins) == len(set(pins))
    assert set(pins) <= CHIPS[chip].pins
    # All that a board may use is there to be wired to.
    hidden = {41, 42} if chip == "esp32s2" else set()  # a LOLIN S2 mini is small
    assert set(CHIPS[chip].free_outputs(frozenset())) - set(pins) == hidden


def test_a_pin_without_a_header_is_reported(tmp_path):
    board = tmp_path / "mine.toml"
    board.write_text('[board]\nname = "mine"\nchip = "esp32"\n[onewire.main]\npin = 4\n'
                     '[[adc]]\nname = "own"\npart = "esp32_adc"\npins = [37]\n'
                     '[[sensor]]\nsource = "reservoir"\npart = "ds18b20"\n'
                     'measures = ["temp_c"]\nbus = "onewire.main"\n')
    shown = texts(ET.fromstring(pinout.svg(compiler.read(board))))
    assert "Not on the headers of an ESP32-DevKitC V4" in shown
    assert "GPIO37: input 0 of own, free; " in shown


def test_draws_by_name_and_by_path(tmp_path):
    out = tmp_path / "board.svg"
    done = CliRunner().invoke(app, ["pinout", "esp32-reservoir", "--out", str(out)])
    assert done.exit_code == 0
    assert ET.fromstring(out.read_text()).tag == f"{SVG}svg"
    done = CliRunner().invoke(app, ["pinout", "nowhere", "--out", str(out)])
    assert done.exit_code == 1
    assert "no such board" in str(done.exception)
    done = CliRunner().invoke(app, ["pinout", "esp32-nft", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "cannot be written" in str(done.exception)

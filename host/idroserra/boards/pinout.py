"""Draws the pinout of a board: the development board, its headers, and the connected parts.

The SVG consists of rectangles, lines and text and is readable in print. Rows are as high as their
lines of text, so that texts do not overlap; widths assume a monospaced font.
"""

from html import escape

from idroserra.boards import compiler, netlist, power_budget
from idroserra.boards.chips import CHIPS, Chip
from idroserra.boards.compiler import LoadedBoard
from idroserra.boards.devkits import DEVKITS, Devkit, Pin
from idroserra.boards.netlist import Wire

# Fill and edge colour by role, dark enough on white for print.
COLOURS = {
    "bus": ("#dbe9fb", "#1f5fae"), "analog": ("#e6dcf7", "#6a3fb5"),
    "sensor": ("#d9f2e6", "#12795a"), "dose": ("#fde2dd", "#b3261e"),
    "load": ("#ffecd0", "#a35b00"), "line": ("#fbdcec", "#a1246f"),
    "button": ("#f3f0c8", "#6f6600"),
}
MEANINGS = {
    "bus": "bus", "analog": "analog input", "sensor": "digital sensor", "dose": "dosing pump",
    "load": "switched or dimmed load", "line": "switches an expander off", "button": "button",
}
UNUSED = ("#f2f2f2", "#9a9a9a")
POWER = ("#4a4a4a", "#2b2b2b")
INK, GREY = "#1b1b1b", "#6b6b6b"

FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"
SIZE, SMALL = 12, 11
CHAR, SMALL_CHAR = 7.3, 6.7  # the advance of one character of a monospaced font, rounded up
LINE, PAD, GAP = 15, 5, 6
PIN_W, MARGIN, LEAD, CORE_W, TOP = 58, 24, 26, 190, 110

Line = tuple[str, int, str, bool]  # text, size, colour, is bold
Label = tuple[list[Line], str]  # lines beside a pin, role


def svg_of(name: str) -> str | None:
    """Return the pinout of the board `name` as SVG, or None if this host has no such file."""
    if name not in compiler.all_names():
        return None
    return svg(compiler.read(compiler.path_of(name)))


def svg(wired: LoadedBoard) -> str:
    """Return the pinout of a board as SVG."""
    board = wired.file.board
    kit = DEVKITS[board.chip]
    found = netlist.wires(wired.file, wired.parts)
    drawing = [_text(MARGIN, 36, board.name, 20, weight="bold"),
               _text(MARGIN, 58, f"{kit.name} with {kit.module}, from above, USB at the bottom",
                     SIZE, GREY)]
    module, width, y = _module(CHIPS[board.chip], kit, found)
    drawing += module
    legend, y = _legend(found, y + 48, width)
    drawing += legend
    for title, lines in (*_off_chip(wired), _supplies(wired), _notes(found, kit)):
        if not lines:
            continue
        drawing.append(_text(MARGIN, y, title, SIZE, weight="bold"))
        for line in lines:
            y += LINE + 1
            drawing.append(_text(MARGIN, y, line, SMALL))
            width = max(width, 2 * MARGIN + len(line) * SMALL_CHAR)
        y += 28
    return _page(width, y - 4, board.name, drawing)


def _module(chip: Chip, kit: Devkit, found: dict[int, Wire]) -> tuple[list[str], float, float]:
    """Draw the development board and its connections; return (drawing, width, bottom y)."""
    sides = [[_label(pin, found) for pin in side] for side in (kit.left, kit.right)]
    widths = [max((_width(lines) for lines, _ in side if lines), default=0) for side in sides]
    left_x = MARGIN + widths[0] + LEAD
    core_x = left_x + PIN_W
    right_x = core_x + CORE_W
    y = float(TOP)
    body: list[str] = []
    for index, (left, right) in enumerate(zip(kit.left, kit.right, strict=True)):
        labels = sides[0][index], sides[1][index]
        height = max(*(_height(lines) for lines, _ in labels), LINE + 2 * PAD)
        middle = y + height / 2
        body += _pin(chip, left, left_x, middle, found, mark_x=core_x + 8, anchor="start")
        body += _pin(chip, right, right_x, middle, found, mark_x=right_x - 8, anchor="end")
        body += _box(labels[0], left_x - LEAD, middle, widths[0], side=-1)
        body += _box(labels[1], right_x + PIN_W + LEAD, middle, widths[1], side=1)
        y += height + GAP
    frame = _rect(left_x - 8, TOP - 12, 2 * PIN_W + CORE_W + 16, y - TOP + 18, "#fbfbf7",
                  "#55554d", radius=8)
    ends = [_text(core_x + CORE_W / 2, at, text, SMALL, GREY, anchor="middle")
            for at, text in ((TOP - 20, "antenna"), (y + 24, "USB"))]
    return [frame, *body, *ends], right_x + PIN_W + LEAD + widths[1] + MARGIN, y


def _page(width: float, height: float, name: str, drawing: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}" role="img">')
    title = f"<title>Pinout of {escape(name)}</title>"
    return "\n".join([head, title, _rect(0, 0, width, height, "#ffffff", "none"), *drawing,
                      "</svg>", ""])


def _label(pin: Pin, found: dict[int, Wire]) -> Label:
    """Return the lines beside a pin, and its role."""
    if isinstance(pin, str) or pin not in found:
        return [], ""
    wire = found[pin]
    lines = [(wire.title, SIZE, INK, True)]
    lines += [(detail, SMALL, INK, False) for detail in wire.details]
    if wire.fit:
        lines.append((f"fit: {wire.fit}", SMALL, COLOURS[wire.role][1], False))
    return lines, wire.role


def _width(lines: list[Line]) -> float:
    return max(len(t) * (CHAR if size == SIZE else SMALL_CHAR) for t, size, _, _ in lines) + 16


def _height(lines: list[Line]) -> float:
    return len(lines) * LINE + 2 * PAD if lines else 0


def _box(label: Label, x: float, middle: float, width: float, *, side: int) -> list[str]:
    """Draw the label of a pin and the line to it; `side` is -1 for left, 1 for right."""
    lines, role = label
    if not lines:
        return []
    fill, edge = COLOURS[role]
    left = x - width if side < 0 else x
    top = middle - _height(lines) / 2
    drawn = [_line(x, middle, x - side * LEAD, middle, edge),
             _rect(left, top, width, _height(lines), fill, edge, radius=4)]
    for number, (text, size, colour, bold) in enumerate(lines):
        base = top + PAD + LINE * number + 11
        drawn.append(_text(left + 8, base, text, size, colour, "bold" if bold else ""))
    return drawn


def _pin(
    chip: Chip, pin: Pin, x: float, middle: float, found: dict[int, Wire], *, mark_x: float,
    anchor: str,
) -> list[str]:
    """Draw one pin of a header, and its restriction inside the board."""
    text = pin if isinstance(pin, str) else f"GPIO{pin}"
    fill, edge, ink = *UNUSED, GREY
    if isinstance(pin, str):
        fill, edge, ink = *POWER, "#ffffff"
    elif pin in found:
        edge, ink = COLOURS[found[pin].role][1], "#ffffff"
        fill = edge
    drawn = [_rect(x, middle - 10, PIN_W, 20, fill, edge, radius=3),
             _text(x + PIN_W / 2, middle + 4, text, SMALL, ink, "bold" if pin in found else "",
                   anchor="middle")]
    mark = "" if isinstance(pin, str) else _mark(chip, pin)
    if mark:
        drawn.append(_text(mark_x, middle + 4, mark, SMALL, GREY, anchor=anchor))
    return drawn


def _mark(chip: Chip, pin: int) -> str:
    """Return the restriction of a pin, or ""."""
    if pin in chip.flash:
        return "flash"
    if pin in chip.psram:
        return "PSRAM"
    if pin in chip.strapping:
        return "strapping"
    if pin in chip.console:
        return "console"
    if pin in chip.input_only:
        return "input only"
    return "high at boot" if pin in chip.high_at_reset else ""


def _legend(found: dict[int, Wire], y: float, width: float) -> tuple[list[str], float]:
    """Draw the legend of the colours; return it and the y below it."""
    entries = [(COLOURS[role], MEANINGS[role]) for role in COLOURS
               if role in {wire.role for wire in found.values()}]
    entries += [(UNUSED, "not used"), (POWER, "supply, ground, reset")]
    drawn, x = [], float(MARGIN)
    for (fill, edge), meaning in entries:
        step = 26 + len(meaning) * SMALL_CHAR + 18
        if x + step > width - MARGIN:
            x, y = float(MARGIN), y + LINE + 7
        drawn += [_rect(x, y - 11, 18, 14, fill, edge, radius=3), _text(x + 26, y, meaning, SMALL)]
        x += step
    return drawn, y + 34


def _off_chip(wired: LoadedBoard) -> list[tuple[str, list[str]]]:
    """Return the connections beyond the chip's pins: inputs of ADCs, outputs of expanders."""
    inputs = [f"{where:<14} {'; '.join((wire.title, *wire.details))}; fit: {wire.fit}"
              for where, wire in netlist.adc_inputs(wired.file, wired.parts)]
    outputs = [f"{where:<14} {wire.title}; {wire.details[0]}; fit: {wire.fit}"
               for where, wire in netlist.expander_outputs(wired.file)]
    return [("ADC inputs", inputs), ("Expander outputs", outputs)]


def _supplies(wired: LoadedBoard) -> tuple[str, list[str]]:
    """Return the maximum load of each supply."""
    lines = []
    for rail in power_budget.rails(wired.file, wired.parts):
        if not rail.draws:
            continue
        gives = "not stated" if rail.budget_ma is None else f"{rail.budget_ma} mA"
        largest = sorted(rail.draws, key=lambda draw: -draw[1])[:3]
        shown = ", ".join(f"{who} {current_ma}" for who, current_ma in largest)
        taken = f"at most {rail.total_ma:>5} mA of {gives:<10}"
        lines.append(f"{rail.name:<6} {taken} mostly: {shown}")
    return "Supplies", lines


def _notes(found: dict[int, Wire], kit: Devkit) -> tuple[str, list[str]]:
    """Return the used pins that are not on the headers of this development board."""
    hidden = sorted(pin for pin in found if pin not in kit.left + kit.right)
    lines = [f"GPIO{pin}: {found[pin].title}; {'; '.join(found[pin].details)}" for pin in hidden]
    return f"Not on the headers of an {kit.name}", lines


def _rect(
    x: float, y: float, width: float, height: float, fill: str, edge: str, radius: int = 0
) -> str:
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{radius}" fill="{fill}" stroke="{edge}"/>')


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="1.5"/>')


def _text(
    x: float, y: float, text: str, size: int, colour: str = INK, weight: str = "",
    *, anchor: str = "start",
) -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{bold} '
            f'text-anchor="{anchor}" xml:space="preserve">{escape(text)}</text>')

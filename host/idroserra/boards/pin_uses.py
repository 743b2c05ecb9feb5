"""Which pins of a chip suit which use, and where a board uses pins.

A use is what the validator allocates a pin for: drive, listen, pull_up, analog, button, or off0
and off1 for an output that is off at this level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from idroserra.boards.board_text import Table
from idroserra.boards.chips import CHIPS
from idroserra.boards.pins import Pins
from idroserra.boards.schema import Part
from idroserra.core.errors import BoardError

USES = ("drive", "listen", "pull_up", "analog", "button", "off0", "off1")
_LISTENING = ("rx_pin", "echo_pin")
_BUSES = ("i2c", "onewire", "uart", "rs485")


class PinSlot(NamedTuple):
    """A key of a board whose value is a pin of the chip; `place` is its index in a list."""

    use: str
    pin: int
    entry: dict[str, Any]
    key: str
    place: int | None = None

    def replace(self, pin: int) -> None:
        """Set another pin."""
        if self.place is None:
            self.entry[self.key] = pin
        else:
            self.entry[self.key][self.place] = pin


@lru_cache
def usable_pins(chip: str, use: str) -> tuple[int, ...]:
    """Return the pins of a chip for a use, the lowest first."""
    return tuple(pin for pin in sorted(CHIPS[chip].pins) if _suits(chip, use, pin))


def _suits(chip: str, use: str, pin: int) -> bool:
    pins = Pins("", CHIPS[chip])
    if use == "button" and pin in CHIPS[chip].strapping:
        return True
    try:
        if use in ("off0", "off1"):
            pins.off_at_reset("", pin, int(use == "off1"))
        else:
            {"drive": pins.drive, "listen": pins.listen, "analog": pins.analog,
             "pull_up": pins.pull_up, "button": pins.pull_up}[use]("", pin)
    except BoardError:
        return False
    return True


def use_of(section: str, key: str, entry: Mapping[str, Any], part: Part | None) -> str:
    """Return the use of a pin key of an entry."""
    if section == "actuator":
        return f"off{int(bool(entry.get('safe_level')))}"
    if section == "expander":
        return "off0" if part is None or part.off is None else f"off{part.off.level}"
    if section == "sensor" and key == "pin":
        return "analog" if part is not None and "gpio" not in part.buses else "pull_up"
    if section in ("button", "adc"):
        return {"button": "button", "adc": "analog"}[section]
    return "listen" if key in _LISTENING else "drive"


def pin_slots(table: Table, parts: dict[str, Part]) -> Iterator[PinSlot]:
    """Yield every pin of the chip that a board uses. The table has the types of a BoardFile."""
    for section in _BUSES:
        for bus in table.get(section, {}).values():
            yield from _slots(section, bus, None)
    if table.get("button"):
        yield from _slots("button", table["button"], None)
    for section in ("adc", "expander", "sensor", "actuator"):
        for entry in table.get(section, ()):
            part = parts.get(entry["part"])
            for index, pin in enumerate(entry.get("pins") or ()):
                yield PinSlot("analog", pin, entry, "pins", index)
            if not entry.get("expander"):  # else its pin is one of the expander
                yield from _slots(section, entry, part)


def _slots(section: str, entry: dict[str, Any], part: Part | None) -> Iterator[PinSlot]:
    for key, value in entry.items():
        if (key == "pin" or key.endswith("_pin")) and value is not None:
            yield PinSlot(use_of(section, key, entry, part), value, entry, key)

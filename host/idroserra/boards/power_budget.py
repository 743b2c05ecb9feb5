"""Checks that the loads on each supply of a board do not exceed its rating.

The supplies are 5 V, 3.3 V from a linear regulator on 5 V (so a load there loads 5 V with the same
current), and the supply of the loads. The sums are the worst case: Wi-Fi transmits, all sensors
measure, all outputs are on, and the largest doser runs (the safety gate runs one at a time).
"""

from dataclasses import dataclass

from idroserra.boards.chips import CHIPS
from idroserra.boards.schema import Actuator, BoardFile, Part
from idroserra.core.errors import BoardError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

MAX_MA = 100_000
ONE_AT_A_TIME = "doser"
_SHOWN = 4


@dataclass(frozen=True)
class Rail:
    """One supply: name, key of its rating, rating and loads in mA.

    `budget_ma` is None if the board does not state the supply of its loads.
    """

    name: str
    key: str
    budget_ma: int | None
    draws: list[tuple[str, int]]

    @property
    def total_ma(self) -> int:
        """The maximum load in mA."""
        return sum(current_ma for _, current_ma in self.draws)


def rails(board: BoardFile, parts: dict[str, Part]) -> list[Rail]:
    """Return the supplies of a valid board: 3.3 V, 5 V, loads."""
    radio_ma = CHIPS[board.board.chip].radio_ma
    by_rail: dict[str, list[tuple[str, int]]] = {
        "3v3": [("the chip while it transmits", radio_ma)], "5v": [], "loads": []}
    for name, part in _consumers(board, parts):
        if part.draw.current_ma:
            by_rail[part.draw.rail].append((name, part.draw.current_ma))
    by_rail["loads"] += _loads(board.actuator)
    low = Rail("3.3 V", "supply.rail_3v3_ma", board.supply.rail_3v3_ma, by_rail["3v3"])
    high = Rail("5 V", "supply.rail_5v_ma", board.supply.rail_5v_ma,
                [("all of 3.3 V", low.total_ma), *by_rail["5v"]])
    return [low, high, Rail("loads", "supply.loads_ma", board.supply.loads_ma, by_rail["loads"])]


def check(file: str, board: BoardFile, parts: dict[str, Part]) -> None:
    """Check that no supply is overloaded. Raises BoardError."""
    for key in ("rail_5v_ma", "rail_3v3_ma", "loads_ma"):
        _within(file, f"supply.{key}", getattr(board.supply, key))
    _check_loads(file, board)
    for rail in rails(board, parts):
        if rail.budget_ma is None or rail.total_ma <= rail.budget_ma:
            continue
        largest = sorted(rail.draws, key=lambda draw: -draw[1])[:_SHOWN]
        shown = ", ".join(f"{who} {current_ma}" for who, current_ma in largest)
        why = Text(
            N_("the load of {supply} is up to {total} mA, its rating is {rating} ({shown}): fit a "
               "stronger supply and set its rating, or give a part its own supply and set "
               "own_supply = true there"), supply=rail.name, total=rail.total_ma,
            rating=rail.budget_ma, shown=shown)
        raise BoardError(file, rail.key, why)


def warnings(board: BoardFile) -> list[str]:
    """Return warnings about the supplies of a board, a sentence each."""
    if board.supply.loads_ma is None and board.actuator:
        return ["supply.loads_ma is not set: the load of the supply of pumps and valves is not "
                "checked; set it, and load_ma of each actuator"]
    return []


def _check_loads(file: str, board: BoardFile) -> None:
    """Check that loads_ma and the load_ma of all actuators are set together."""
    for index, actuator in enumerate(board.actuator):
        key = f"actuator[{index}].load_ma"
        _within(file, key, actuator.load_ma)
        if actuator.load_ma is None and board.supply.loads_ma is not None:
            why = "missing: set its starting current in mA; 0 for a load on mains"
            raise BoardError(file, key, why)
        if actuator.load_ma and board.supply.loads_ma is None:
            why = f"missing: {actuator.name} takes {actuator.load_ma} mA; set the rating of the " \
                  "supply of the loads"
            raise BoardError(file, "supply.loads_ma", why)


def _within(file: str, key: str, current_ma: int | None) -> None:
    if current_ma is not None and not 0 <= current_ma <= MAX_MA:
        raise BoardError(file, key, f"{current_ma} is out of range: 0 to {MAX_MA} mA")


def _consumers(board: BoardFile, parts: dict[str, Part]) -> list[tuple[str, Part]]:
    """Return (name, part) of everything on the board's supplies."""
    found = [(f"{a.part} {a.name}", a.part) for a in board.adc if not a.own_supply]
    found += [(f"{e.part} {e.name}", e.part) for e in board.expander if not e.own_supply]
    found += [(f"{s.part} of {s.source}", s.part) for s in board.sensor if not s.own_supply]
    found += [(f"input of {a.name}", a.part) for a in board.actuator]
    if board.button is not None:
        found.append(("button", "button"))
    return [(who, parts[name]) for who, name in found]


def _loads(actuators: list[Actuator]) -> list[tuple[str, int]]:
    """Return the loads of the outputs; of the dosers only the largest."""
    dosers = [a.load_ma or 0 for a in actuators if a.part == ONE_AT_A_TIME]
    found = [("one doser at a time", max(dosers))] if any(dosers) else []
    return found + [(a.name, a.load_ma) for a in actuators
                    if a.part != ONE_AT_A_TIME and a.load_ma]

"""What the board compiler generates as idro/board.py inside an image: see boards/."""

from typing import Any

BOARD: dict[str, Any]
VERSION: str
SECURITY_COUNTER: int

def wiring() -> dict[str, Any]: ...

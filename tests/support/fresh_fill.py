"""A node on the rig beside a fresh fill of hard water at pH 7.8, for tests of its correction."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.loops_rig import LoopsRig

FILL = {
    "dosing.enabled": True, "ph.down_ul_per_ph": 330_000, "ph.target": 5.8,
    "ec.target_us_cm": 1_500, "mixing.wait_ms": 300_000,
}


@contextmanager
def fresh_fill(folder: Path, more: dict[str, int] | None = None) -> Iterator[LoopsRig]:
    """Yield the node with `more` settings, armed, its doses until now forgotten."""
    rig = LoopsRig(folder, **FILL | (more or {}))
    rig.read(ph=7.8)
    rig.cycles(20)
    rig.rig.edges.clear()
    yield rig
    rig.close()


def begin(
    node: LoopsRig, volume_ul: int = 400_000, target: int = 6_000, doser: str = "ph_down"
) -> None:
    """Open a correction; `target` is in thousandths of pH, or uS/cm for nutrient."""
    node.correction.begin(doser, target, volume_ul, "ann")

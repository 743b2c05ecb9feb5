"""A reservoir whose pH, EC and level come from boards with a voltage, as linear_analog."""

from pathlib import Path

from idroserra.boards import compiler
from idroserra.image import build

BASE = "esp32-reservoir"
# PH-4502C on 5 V behind 10 k and 20 k; a cell with 0.2 V per mS/cm; 4-20 mA across 150 ohm.
PROBES = {
    "sen0161": "low_mv = 100\nhigh_mv = 3_000\npoint1_mv = 1_667\npoint1_value = 7\n"
               "point2_mv = 2_022\npoint2_value = 4\nself_compensated = 0\n",
    "dfr0300": "low_mv = 0\nhigh_mv = 3_200\npoint1_mv = 0\npoint1_value = 0\n"
               "point2_mv = 2_000\npoint2_value = 10_000\nself_compensated = 0\n",
    "hydrostatic": "low_mv = 540\nhigh_mv = 3_150\npoint1_mv = 600\npoint1_value = 0\n"
                   "point2_mv = 3_000\npoint2_value = 2_000\nself_compensated = 0\n",
}
MOISTURE = (
    '[[sensor]]\nsource = "bed"\npart = "linear_analog"\nmeasures = ["moisture_pct"]\n'
    'bus = "adc.main"\nchannel = 3\nlow_mv = 500\nhigh_mv = 3_100\npoint1_mv = 2_500\n'
    "point1_value = 0\npoint2_mv = 1_250\npoint2_value = 100\nself_compensated = 0\n\n")


def text(name: str, *, base: str = BASE) -> str:
    """Return the text of the board `name`: `base` with other front ends and a moisture probe."""
    found = (compiler.boards_dir() / f"{base}.toml").read_text()
    found = found.replace(f'name = "{base}"', f'name = "{name}"')
    for channel, (part, keys) in enumerate(PROBES.items()):
        assert f'part = "{part}"' in found
        found = found.replace(f'part = "{part}"', 'part = "linear_analog"')
        found = found.replace(f"channel = {channel}\n", f"channel = {channel}\n{keys}")
    place = found.index('[[sensor]]\nsource = "air"')
    return found[:place] + MOISTURE + found[place:]


def built(folder: Path, name: str = "analog-reservoir") -> tuple[compiler.Board, Path]:
    """Write and build the board in `folder`; return it compiled, and the folder of its image."""
    path = folder / f"{name}.toml"
    path.write_text(text(name))
    image = folder / "image"
    build.build_image(str(path), image)
    return compiler.load_file(path), image

"""What a node runs on: which part of it is not what the firmware needs."""

import pytest

from idro.protocol.system_host import UNKNOWN_SYSTEM, System
from idroserra.core.reasons import Reason
from idroserra.nodes.system import problems_of

GOOD = System("1.28.0", 8_388_608, 240_000_000)
FINE = {"micropython": None, "psram": None, "cpu": None}


@pytest.mark.parametrize(("chip", "system", "problems"), [
    ("esp32s3", GOOD, FINE),
    ("esp32", GOOD._replace(micropython="1.25.0"), FINE | {"micropython": Reason(
        "micropython_old", version="1.25.0", oldest="1.26")}),
    ("esp32", GOOD._replace(psram_bytes=0), FINE | {"psram": Reason("psram_missing")}),
    ("esp32", GOOD._replace(cpu_hz=160_000_000), FINE | {"cpu": Reason(
        "cpu_slow", cpu_mhz=160, highest_mhz=240)}),
    ("esp32s3", System("1.31.0", 0, 80_000_000), {
        "micropython": Reason("micropython_untested", version="1.31.0", newest="1.29"),
        "psram": Reason("psram_missing"), "cpu": Reason("cpu_slow", cpu_mhz=80, highest_mhz=240)}),
    ("esp32c9", GOOD._replace(cpu_hz=20_000_000), {"micropython": None, "psram": None}),
    ("esp32", UNKNOWN_SYSTEM, {}),
    ("esp32", System(None, None, 240_000_000), {"cpu": None}),
])
def test_each_reported_part_is_judged(chip, system, problems):
    assert problems_of(chip, system) == problems

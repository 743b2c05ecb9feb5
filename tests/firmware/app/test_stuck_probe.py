"""Tests of a stuck electrode whose readings a calibration takes away now and then."""

import pytest

from idro.drivers.sen0161 import ph_milli
from support.loops_rig import LoopsRig

MINUTE_MS = 60_000
NORMAL = (1_500_000, -177_480)
# Within the limits of settings: what such a signal gives then is no pH.
NO_PH = {4.5: (1_000_000, -130_000), 9.5: (2_000_000, -130_000)}


@pytest.mark.parametrize("stuck_ph", NO_PH)
@pytest.mark.parametrize("is_calibrated", [False, True])
def test_a_stuck_electrode_costs_one_dose_whatever_the_calibration(
        tmp_path, stuck_ph, is_calibrated):
    rig = LoopsRig(tmp_path, **{"dosing.enabled": True})
    rig.read(ph=5.8, ec_us_cm=1_600)
    values = rig.settings.values
    part = next(part for part in rig.parts.values() if part.key == "ph")
    part.spread_uv, part.signal_uv = 0, round(NORMAL[0] + NORMAL[1] * (stuck_ph - 7))

    async def read(context):
        milli_ph = ph_milli(
            part.signal_uv, 2_500, values["ph.neutral_uv"], values["ph.slope_uv_per_ph"])
        return {"ph": milli_ph / 1000}

    part.read = read
    for minute in range(240):
        if is_calibrated and minute % 6 == 5:
            for calibration in (NO_PH[stuck_ph], NORMAL):
                values["ph.neutral_uv"], values["ph.slope_uv_per_ph"] = calibration
                rig.loops.settings_changed(["ph.neutral_uv", "ph.slope_uv_per_ph"])
                rig.cycles(1)
        rig.run_for(MINUTE_MS)
    rig.close()
    assert len(rig.events_of("dosed")) <= 1

"""Frozen ceilings of every dosing channel, and the tighter caps derived from the settings.

No setting, command or update raises a ceiling: it is code, not data. The on-time ceilings hold
whatever the pump calibration, so a flow set ten times too low does not overdose tenfold.

The volume ceilings of acid and base scale with the reservoir volume compiled into the image. They
assume stock of at most 25 % w/w phosphoric acid (2.9 meq/ml), or base of that strength, in
solution buffered with 1 meq/l/pH: there they amount to 0.1 pH a dose, 0.5 pH an hour and 1.5 pH a
day. In softer water the titration (`ph.down_ul_per_ph`, `ph.up_ul_per_ph`) limits doses to the
same pH steps; the lower of both applies (docs/adr/0011). The on-time ceilings do not scale: a
larger tank needs a larger pump.
"""

from collections import namedtuple

# The order is the channel number in the ledger: append only.
DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
FILL = "top_off"
# Correction steps, each released at the board, are charged to a separate budget.
CORRECTED = {
    "ph_down": "ph_down_fill", "ph_up": "ph_up_fill",
    "nutrient_a": "nutrient_a_fill", "nutrient_b": "nutrient_b_fill"}
CHANNELS = DOSERS + (FILL, "ph_down_fill", "ph_up_fill", "nutrient_a_fill", "nutrient_b_fill")
CIRCULATION = "circulation"
IRRIGATION = "irrigation"
FAN, HEATER, HUMIDIFIER = "fan", "heater", "humidifier"

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

QUANTUM_MS = 1_000
# A peristaltic pump delivers no defined volume in less.
SMALLEST_ON_MS = 100
# The most that a cut-off is assumed to come late: a check of the timer, and a call that blocks.
CUT_LATE_MS = 300
DOSE_ON_MS = 10_000
HOUR_ON_MS = 30_000
DAY_ON_MS = 100_000
GAP_FLOOR_MS = 120_000
GAP_MS = 300_000
ACID_BASE_MS = 3_600_000
A_B_MS = 60_000
FILL_RUN_ON_MS = 600_000
FILL_DAY_ON_MS = 1_800_000

# Per litre of the board's reservoir.
ACID_DOSE_UL_L = 30
ACID_HOUR_UL_L = 150
ACID_DAY_UL_L = 500
REFERENCE_VOLUME_L = 100

CORRECTION_STEP_ON_MS = 30_000
CORRECTION_DAY_ON_MS = 600_000
CORRECTION_DAY_UL_L = 4_000

# Share of the hourly and daily budgets until full authority is earned.
REDUCED_PCT = 25
EARN_MS = 3 * DAY_MS

ARM_SAMPLES = 12
ARM_MS = 120_000
IN_AIR_HOLD_MS = 60_000
OPEN_RESERVE_HOLD_MS = 600_000
STALE_MS = 30_000

# A heater or humidifier goes off this long after its last request.
AIR_LEASE_MS = 120_000
AIR_MAX_C = 40
AIR_MAX_RH_PCT = 95
TRIP_BELOW_C = 5
TRIP_HOLD_MS = 1_800_000

# Limits of one channel; flow_ul_per_s is the pump calibration.
Caps = namedtuple("Caps", ("dose_ul", "hour_ul", "day_ul", "gap_ms", "flow_ul_per_s"))
# caps: {doser: Caps}; low_mm: no dosing below; stale_ms: maximum age of a reading; fill_day_ms:
# top-off time a day; authority_pct: granted share of the budgets; air_max_c: locks the heater.
Limits = namedtuple(
    "Limits",
    ("caps", "low_mm", "full_mm", "stale_ms", "mixing_ms", "fill_day_ms", "authority_pct",
     "correction_day_ul", "air_max_c"),
)


def derive(values, volume_l=REFERENCE_VOLUME_L, authority_pct=100):
    """Return the Limits for the settings `values`, never above a ceiling.

    `volume_l` is the reservoir volume of the image. With `authority_pct` 0, control only advises
    and manual doses get the reduced share.
    """
    gap_ms = max(GAP_FLOOR_MS, min(GAP_MS, values["mixing.wait_ms"]))
    flow = values["doser.ul_per_s"]
    share_pct = authority_pct or REDUCED_PCT
    caps = {}
    for channel, ul_per_ph in (
        ("ph_down", values["ph.down_ul_per_ph"]), ("ph_up", values["ph.up_ul_per_ph"]),
    ):
        caps[channel] = _within_on_time(
            min(ACID_DOSE_UL_L * volume_l, ul_per_ph // 10),
            min(ACID_HOUR_UL_L * volume_l, ul_per_ph // 2),
            min(ACID_DAY_UL_L * volume_l, ul_per_ph * 3 // 2), gap_ms, flow, share_pct)
    step_ul = values["ec.ul_per_100_us_cm"]
    for channel in ("nutrient_a", "nutrient_b"):
        caps[channel] = _within_on_time(
            step_ul, 3 * step_ul, 10 * step_ul, gap_ms, flow, share_pct)
    return Limits(
        caps, values["level.low_mm"], values["level.full_mm"],
        max(STALE_MS, 3 * values["sample.every_ms"]), values["mixing.wait_ms"],
        min(FILL_DAY_ON_MS, values["topoff.max_ms_day"]), authority_pct,
        CORRECTION_DAY_UL_L * volume_l, min(AIR_MAX_C, values["climate.max_c"]),
    )


def on_ms_for(volume_ul, flow_ul_per_s):
    """Return the on-time in ms for `volume_ul`, rounded down so as not to exceed it."""
    return volume_ul * 1_000 // flow_ul_per_s


def volume_ul_in(on_ms, flow_ul_per_s):
    """Return the volume in ul delivered in `on_ms`, rounded up so as not to undercount."""
    return -(-on_ms * flow_ul_per_s // 1_000)


def _within_on_time(dose_ul, hour_ul, day_ul, gap_ms, flow, share_pct):
    """Return the Caps: at most what the on-time ceilings allow, of hour and day `share_pct`."""
    return Caps(
        min(dose_ul, DOSE_ON_MS * flow // 1_000),
        min(hour_ul, HOUR_ON_MS * flow // 1_000) * share_pct // 100,
        min(day_ul, DAY_ON_MS * flow // 1_000) * share_pct // 100, gap_ms, flow,
    )

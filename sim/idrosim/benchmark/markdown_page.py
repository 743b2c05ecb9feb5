"""The page of the scoreboard: how it was measured, what came out, what misses the aims and why."""

from __future__ import annotations

from idrosim.benchmark import firmware_policy
from idrosim.benchmark.cases import (
    BAND_PH,
    BASE,
    CROP_M2_L,
    EC_BAND_RATIO,
    FRESH_FILL,
    LEAST_BAND_US_CM,
    PUMP_ML_S_L,
    TARGET_PH,
    Cell,
)
from idrosim.benchmark.peer_policies import DEADBAND_PH, DEADBAND_US_CM, PEERS
from idrosim.benchmark.run import STEP_S, Measures
from idrosim.benchmark.tables import (
    IN_BAND,
    OVER_MS_CM,
    OVER_PH,
    REAGENT,
    RIVAL_TITLES,
    ROW_TITLES,
    SUMMARY_TITLES,
    by_policy,
    rivals,
    row,
    summary,
    table,
)
from idrosim.greenhouse.water import WATERS


def page(board: list[Measures], days: float, picture: str | None) -> str:
    """Return the page of a board in Markdown; `picture` is the path of its drawing from there."""
    names = list(by_policy(board))
    parts = [
        "# Whose dosing keeps the crop best", "",
        f"`idroserra sim score --md bench/score.md --plot bench/score.png` made this page "
        f"(`make score`): {len(board) // max(1, len(names))} greenhouses, {days:g} days each, "
        f"{len(names)} dosing policies. Do not edit it.", "",
        "## What came out", "",
        table(SUMMARY_TITLES, summary(board)), "",
        "Of each measure the median and the worst of all cells. A cell is good when it meets "
        f"every aim: at least {100 * IN_BAND:.0f} % of the time in band after pH and EC first "
        f"were, at most {OVER_PH:.2f} pH and {OVER_MS_CM:.1f} mS/cm of overshoot, at most "
        f"{REAGENT:.2f} times the least reagent.", "",
    ]
    if picture is not None:
        parts += [f"![Every measure of every policy, a dot a cell]({picture})", ""]
    parts += [*_rivals(board), *_ours(board), *_method(), *_peers(), *_own()]
    return "\n".join(parts) + "\n"


def _rivals(board: list[Measures]) -> list[str]:
    rows = rivals(board)
    if not rows:
        return []
    return ["## Ours against the best peer in each measure", "",
            table(RIVAL_TITLES, rows), "",
            "Peers have no budgets and nobody releases their steps: where one is sooner in band, "
            "that is the price of what the gate lets a pump give in an hour (30 s of nutrient, "
            "docs/safety.md) and of a fresh fill that is corrected step by step.", ""]


def _ours(board: list[Measures]) -> list[str]:
    weeks = by_policy(board).get(firmware_policy.NAME)
    if weeks is None:
        return []
    return [f"## {firmware_policy.NAME}, cell by cell", "",
            table(ROW_TITLES, [row(week) for week in weeks]), ""]


def _method() -> list[str]:
    stocks = "; ".join(f"{water} " + " or ".join(
        Cell(water, acid, 100, "fresh").stocks["ph_down"] for acid in ("h3po4", "hno3"))
        for water in WATERS)
    return [
        "## How it is measured",
        "",
        "- **The twin** is the plant of the scenarios (`sim/idrosim/greenhouse/greenhouse.py`): "
        "ion-paired chemistry, CO2, mixing, crop, transpiration, top-off with the same tap water, "
        "pumps with a calibration error drawn from the cell's seed, probes with lag, noise and "
        "drift. "
        f"It runs on CPython in steps of {STEP_S:g} s; no link, no flash, no resets.",
        "- **A cell** is one of 4 waters, 2 acids, 3 volumes and 2 ages of probes. It begins "
        f"with a fresh fill at {100 * FRESH_FILL:.0f} % of the lettuce recipe and at the pH that "
        f"water then has. Target: pH {TARGET_PH} and the EC of the whole recipe in that water. "
        f"Crop ({CROP_M2_L * 100:g} m2 of lettuce for 100 l), circulation, tap and pumps "
        f"({PUMP_ML_S_L * 100:g} ml/s for 100 l) grow with the volume. Acid is as strong as the "
        f"water asks for ({stocks}), base is {BASE}, nutrient A and B at 100 times the recipe.",
        f"- **In band** is the true pH within {BAND_PH} of the target and the true EC within "
        f"{100 * EC_BAND_RATIO:.0f} % ({LEAST_BAND_US_CM:g} uS/cm at the least). Probes err, so "
        f"every policy is told a narrower dead band: {DEADBAND_PH} pH and {DEADBAND_US_CM:g} "
        "uS/cm.",
        "- **Overshoot** is how far past the target the true value was within an hour of a dose "
        "that went that way.",
        "- **Reagent** is acid and base in meq against the least: what somebody needs who knows "
        "the true water and corrects it every five minutes, straight in the bulk, to the very "
        "target, with the same crop, weather and tap. Below 1 a policy leaves the water off its "
        "target. Where less than 0.06 meq/l is needed in a week there is nothing to compare.",
        "- **Worst pH** is the furthest from the target after pH first was within half its band.",
        f"- **{firmware_policy.NAME}** is the firmware itself: `idro.app.control_cycle`, "
        "`idro.control` and `idro.safety` with its budgets, on CPython. Its settings are what "
        "commissioning declares: a titration of the fresh fill, ml of nutrient for 100 uS/cm, "
        "ml/s of the pumps. A fill that is more than 0.3 pH off is corrected first by a grower "
        "at the tank (docs/adr/0011), who releases each step and goes home after three hours; "
        "authority is full.",
        "",
    ]


def _peers() -> list[str]:
    told = [
        [name, " ".join((policy.__doc__ or "").split())] for name, policy in PEERS.items()
    ]
    return ["## The peers' policies", "",
            "As their sources and manuals tell them, with their own periods and sizes; the same "
            "in every cell. No peer's code is in this repository.", "",
            table(("policy", "misses"), told).replace("| misses |", "| what it does |", 1), ""]


_OWN = '''## Cells of your own

`idroserra sim score --cells FILE` plays the same policies in the cells of a TOML file: a path that
exists, or ends in `.toml`, is a file; anything else a number or patterns of the 48 names.

```toml
[[cell]]
name = "well"                 # cell-1, cell-2 ... unless said
water = "hard"                # ro, soft, medium, hard
acid = "hno3"                 # as strong as the water asks for; or a stock: h3po4_10pct
volume_l = 1000               # 5 to 2000
# All of these may be left out.
recipe = "hoagland2"          # lettuce unless said; or ions, as below
base = "khco3_1M"             # khco3_0.25M below 20 l, if the water is soft
probe_age = "aged"            # fresh unless said; or days, 0 to 730: fresh is 0, aged is 365
target_ph = 6.0               # 5.8
target_us_cm = 1400           # that of the whole recipe
temp_c = 10                   # 20: of the fill; outside is 1 C less, the tap 4 C
crop_m2 = 3.0                 # 0.5 for 100 l
days = 3                      # 7; --days goes before it
seed = 5                      # drawn from the name

[[cell]]
name = "own-ions"
acid = "h3po4"
volume_l = 300
# mmol/L: K Na NH4 Ca Mg NO3 Cl SO4 P C
water = { Na = 4.0, Ca = 1.0, Mg = 0.3, Cl = 3.5, SO4 = 0.4, C = 2.4, alkalinity_meq_l = 2.3 }
recipe = { K = 6.0, Ca = 3.0, Mg = 1.0, NO3 = 11.0, P = 1.0, SO4 = 1.0 }
```

A water's charges must balance with its alkalinity, which is C unless `alkalinity_meq_l` says it
(and C that, where it is left out), within 5 % of all charges; a recipe's by themselves, with
phosphate as H2PO4-. What is left over counts as acid or base, for the charges make the pH: where
that comes out absurd the water is refused. Fill, target EC, acid strength, pumps, circulation,
tap, air and titration follow as for the 48; nutrient A and B are split from the recipe at 100
times, and stronger for more than 1,000 l, where no node takes a larger pump.

`--json` prints one object: `are_aims_met`, and under `cells` what each cell is and, by policy,
what was measured (`to_band_h`, `in_band_ratio`, `over_ph`, `over_ms_cm`, `reagent_ratio`, `doses`,
`worst_ph`, ...), each of its `aims` with limit and what was found, and `misses` in words. The exit
code is 3 where one of our own cells misses an aim, 2 where the file is wrong.
'''


def _own() -> list[str]:
    return ["", _OWN.rstrip()]

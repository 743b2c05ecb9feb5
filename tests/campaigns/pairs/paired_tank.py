"""One greenhouse with two pH probes: the water of the simulator, the code of the firmware.

One of the probes goes wrong some days after the start; the run ends when the name that the node
gave is final.
"""

import random

import msgspec

from campaigns.pairs.probe_faults import BROKEN_MV, KINDS
from idro.app.probe_pairs import PairedSampler
from idro.control.probe_pair import CODES, DISPUTED_MS, DISPUTED_PH, WATCHED_MS
from idro.errors import SensorError
from idrosim.benchmark import run as benchmark
from idrosim.benchmark.firmware_policy import FirmwarePolicy
from idrosim.benchmark.random_cells import CALIBRATED_PH, draw_one
from idrosim.greenhouse.rng import Rng
from idrosim.probes.water_probes import PhProbe, nernst_slope_mv

CELLS_SEED, CELLS = 15, 60
ONSET_H = (36, 72)
MOST_DAYS = 45
SHOWS_WITHIN_DAYS = 10  # a fault other than a drift: in still water it may never show
CORRECTED_H = 4  # the grower corrects a fresh fill until then, by a budget of its own
GOES_ON_H = WATCHED_MS / 3_600_000  # then the name is final
# A healthy probe is off by its calibration and its walk: this much at most in these days.
HEALTHY_OFF_PH = 0.15
# A reading that is off by more than both allow is a lie.
LIE_PH = DISPUTED_PH + HEALTHY_OFF_PH
# Readings in a row with a fault name that probe, while the other has none: a pour faults both.
FAULT_NAMES_AFTER = 40
_OF_THE_PAIR = (None, "jump", "pair_differs", "pair_suspect")
CHANNELS = ("reservoir.ph", "second.ph")
FRONT_END = 3_000  # uV for a mV of the electrode


class Outcome(msgspec.Struct):
    """What came of a case.

    first: who was named first, 0 or 1, None if neither; named: who is GOES_ON_H later, as the node
    watches both; wrong: which one was. hours: from the onset to the first naming;
    early: it was before the onset. lied: the wrong one was off by more than the bound for longer
    than a dispute needs. lied_doses: doses of acid and base on a lie of the first; blind_doses:
    doses without a reading of the first. worst_hour, worst_day: the most acid or base, relative to
    its budget.
    """

    number: int
    kind: str
    cell: str
    wrong: int
    first: int | None
    named: int | None
    code: str
    hours: float
    lied: bool
    early: bool
    lied_doses: int
    blind_doses: int
    worst_hour: float
    worst_day: float
    signs: list[tuple[str, float]]
    days: float


class ElectrodePart:
    """A pH probe with its electronics: three conversions a reading."""

    def __init__(self, probe):
        self.probe, self.fault = probe, None
        self._temp_c = 25.0
        self.spread_uv = self.signal_uv = None

    def step(self, temp_c):
        """Take in the temperature of the water, which corrects the reading."""
        self._temp_c = temp_c
        if self.fault is not None:
            self.fault.step(self.probe.electrode_mv)

    async def read(self, context):
        """Return {"ph": pH}. Raises SensorError at the ends of the range."""
        self.spread_uv = self.signal_uv = None
        burst = sorted(self._conversion() for _ in range(3))
        if abs(burst[1]) > BROKEN_MV:
            raise SensorError("electrode", "saturated", "")
        self.spread_uv, self.signal_uv = FRONT_END * (burst[2] - burst[0]), FRONT_END * burst[1]
        ph = 7.0 - burst[1] / nernst_slope_mv(self._temp_c)
        return {"ph": round(min(14.0, max(0.0, ph)), 3)}

    def _conversion(self):
        mv = self.probe.electrode_mv
        return mv if self.fault is None else self.fault.after(mv, self.probe)


class PairedNode(FirmwarePolicy):
    """The node of the scoreboard with the parts of two pH probes."""

    def __init__(self, cell, setup, electrodes):
        self.electrodes = electrodes
        super().__init__(cell, setup, benchmark.STEP_S)

    def new_sampler(self, values, record_event):
        """Return the sampler of a board with a pair."""
        ec, level = self._parts[1:]
        sensors = [
            ({"source": "reservoir", "measures": ["ph"]}, self.electrodes[0]),
            ({"source": "second", "measures": ["ph"], "pair": "reservoir"}, self.electrodes[1]),
            ({"source": "reservoir", "measures": ["ec_us_cm"]}, ec),
            ({"source": "reservoir", "measures": ["level_mm"]}, level)]
        return PairedSampler(sensors, self.clock, record_event, self.outputs, values)


class PairedTank:
    """A greenhouse of the scoreboard whose node has a second pH probe."""

    def __init__(self, number):
        self.draw = random.Random(f"pair {number}")
        self.number = number
        self.cell = draw_one(CELLS_SEED, number // len(KINDS) % CELLS)[0]
        self.house = benchmark._SimulatedCell(self.cell)
        second = PhProbe(self.cell.probe_params, Rng(self.cell.seed + 77))
        off_ph = (7.0 - self.cell.target_ph) * (1.0 - second.params["slope_ratio"])
        second.params["offset_mv"] = nernst_slope_mv(self.cell.temp_c) * (
            off_ph - self.draw.uniform(*CALIBRATED_PH))
        self.electrodes = [ElectrodePart(probe) for probe in (self.house._ph, second)]
        self.node = PairedNode(self.cell, benchmark.setup_of(self.cell), self.electrodes)
        self.doses = []  # (at_s, actuator, ml, whether on a lie, whether blind)

    def step(self):
        """Advance by one sample of the node."""
        self.house.disturb()
        readings = self.house.step()
        around = self.house.plant.around()
        self.electrodes[1].probe.step(benchmark.STEP_S, around)
        for electrode in self.electrodes:
            electrode.step(around["reservoir.temp_c"])
        doses = self.node.act(readings)
        self.house.order(doses)
        self.house.valve(self.node.valve_is_open)
        first = self.node.sampler.readings[CHANNELS[0]]
        seen = self.node.sampler.reading(CHANNELS[0], 120_000).value
        is_lie = seen is not None and abs(seen - self.house.ph) > LIE_PH
        for name, ml in doses.items():
            if name.startswith("ph_"):
                self.doses.append((readings.at_s, name, ml, is_lie, first.value is None))
        return readings.at_s


def run_case(number):
    """Return the Outcome of the case; its kind is that of its number."""
    kind = list(KINDS)[number % len(KINDS)]
    tank = PairedTank(number)
    draw, node, pair = tank.draw, tank.node, tank.node.sampler.pair
    onset_s = 3_600 * draw.uniform(*ONSET_H)
    wrong = draw.randrange(2)
    fault = KINDS[kind](draw, tank.cell.target_ph)
    last_s = onset_s + 86_400 * (MOST_DAYS if kind == "offset-drift" else SHOWS_WITHIN_DAYS)
    first = named = named_s = None
    code, lied, off_s, failed, signs = "", False, 0.0, [0, 0], []
    try:
        at_s = 0.0
        while at_s < last_s:
            at_s = tank.step()
            if at_s >= onset_s and tank.electrodes[wrong].fault is None:
                tank.electrodes[wrong].fault = fault
            seen = node.sampler.reading(CHANNELS[wrong], 120_000).value
            is_off = seen is not None and abs(seen - tank.house.ph) > DISPUTED_PH
            off_s = off_s + benchmark.STEP_S if is_off and at_s >= onset_s else 0.0
            lied = lied or off_s >= DISPUTED_MS / 1e3
            if named is None:
                samples = [node.sampler.readings[channel] for channel in CHANNELS]
                has_own = [sample.fault not in _OF_THE_PAIR for sample in samples]
                failed = [
                    failed[index] + 1 if has_own[index] and not has_own[1 - index] else 0
                    for index in (0, 1)]
                if pair.suspect is None and max(failed) >= FAULT_NAMES_AFTER:
                    named = failed.index(max(failed))
                    code = samples[named].fault
            if pair.suspect is not None:
                named, code, signs = pair.suspect, CODES[pair.sign], pair.signs
            if named_s is None:
                if named is not None:
                    first, named_s = named, at_s
            elif at_s >= max(named_s, onset_s) + 3_600 * GOES_ON_H:
                break
    finally:
        node.close()
    caps = node.gate._limits.caps
    return Outcome(
        number, kind, tank.cell.name, wrong, first, named, code,
        -1.0 if named_s is None else round((named_s - onset_s) / 3_600, 2), lied,
        named_s is not None and named_s < onset_s,
        sum(dose[3] for dose in tank.doses), sum(dose[4] for dose in tank.doses),
        _worst(tank.doses, 3_600, {name: caps[name].hour_ul for name in ("ph_down", "ph_up")}),
        _worst(tank.doses, 86_400, {name: caps[name].day_ul for name in ("ph_down", "ph_up")}),
        [(CODES[index], round(sign, 3)) for sign, index in signs], round(at_s / 86_400, 2))


def _worst(doses, window_s, most_ul):
    """Return the largest sum of the doses of a pump in a window, relative to its ceiling."""
    worst = 0.0
    doses = [dose for dose in doses if dose[0] > 3_600 * CORRECTED_H]
    for index, (end_s, name, *_) in enumerate(doses):
        total_ml = sum(ml for at_s, other, ml, *_ in doses[:index + 1]
                       if other == name and at_s > end_s - window_s)
        worst = max(worst, 1e3 * total_ml / most_ul[name])
    return round(worst, 3)

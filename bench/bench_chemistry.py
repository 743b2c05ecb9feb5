"""Measures the water chemistry and a plant step, on CPython and MicroPython.

    python bench/bench_chemistry.py
    MICROPYPATH=sim:.frozen micropython -X heapsize=512K bench/bench_chemistry.py

Prints microseconds per call, the best of five rounds. Budget in MicroPython: 100 us for a plant
step of 10 s with its chemistry.
"""

import time

from idrosim.greenhouse.chemistry import Solution
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.equilibria import Equilibria
from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.water import RECIPES, WATERS, amounts

ROUNDS = 5


def now_us():
    """Return a monotonic time, us, on either interpreter."""
    if hasattr(time, "ticks_us"):
        return time.ticks_us()
    return time.perf_counter_ns() // 1000


def cost_us(call, times):
    """Return the shortest mean time of `call`, us, over rounds of `times` calls."""
    best = 1e12
    for _ in range(ROUNDS):
        began = now_us()
        for _ in range(times):
            call()
        best = min(best, (now_us() - began) / times)
    return best


def solution():
    """Return the lettuce recipe in soft water, unsolved."""
    raw, salts = amounts(WATERS, "soft", 1e-3), amounts(RECIPES, "lettuce", 1e-3)
    found = Solution()
    found.set([raw[i] + salts[i] for i in range(10)], 20.0)
    return found


def main():
    """Measure and print."""
    water = solution()
    totals = water.totals

    def cold():
        water.chill()
        water.solve()

    def warm():
        totals[0] *= 1.00001
        water.set(totals, 20.0)
        water.solve()

    plant = Plant({}, 1)
    plant.set_output("circulation", 1.0)
    plant.set_output("light", 0.8)
    dosed = Plant({"ph_down.flow_ml_per_s": 0.001}, 1)
    dosed.set_output("circulation", 1.0)
    dosed.set_output("ph_down", 1.0)

    def step_and_truth():
        plant.step(10.0)
        plant.truth()

    print("constants at a new temperature", cost_us(lambda: Equilibria(20.0), 50))
    print("cold solve", cost_us(cold, 50))
    print("warm solve", cost_us(warm, 200))
    print("conductivities", cost_us(lambda: conductivities(water), 200))
    print("plant step of 10 s", cost_us(lambda: plant.step(10.0), 360))
    print("plant step of 10 s, dosing, solved each time", cost_us(lambda: dosed.step(10.0), 360))
    print("plant step of 10 s and truth", cost_us(step_and_truth, 360))


main()

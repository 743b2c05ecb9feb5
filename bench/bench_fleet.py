"""Measures a fleet of 1,000 greenhouses over 30 days with a dosing policy, on one core.

    python bench/bench_fleet.py [--greenhouses N] [--days D] [--iterations I]

Prints seconds, and microseconds per greenhouse and step. Budget: 1,000 for 30 days in 60 s.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # measure one core

from idrosim.benchmark.fleet.greenhouses import Climate, FleetPlant, draw
from idrosim.benchmark.fleet.tuning import BandPolicy, run


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="A fleet of greenhouses at speed.")
    parser.add_argument("--greenhouses", type=int, default=1_000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--iterations", type=int, default=1)
    asked = parser.parse_args()
    began, cpu = time.perf_counter(), time.process_time()
    cells = draw(asked.greenhouses, 1)
    plant = FleetPlant(cells, Climate(), iterations=asked.iterations)
    built = time.perf_counter()
    outcome = run(plant, BandPolicy(cells.volume_ml), asked.days)
    ended, cpu = time.perf_counter(), time.process_time() - cpu
    steps = asked.greenhouses * asked.days * 1_440
    print(f"climate, constants, start  {built - began:.2f} s")
    print(f"{asked.greenhouses} greenhouses for {asked.days:g} days at 60 s steps:"
          f" {ended - built:.1f} s ({cpu:.1f} s of CPU with the start),"
          f" {(ended - built) / steps * 1e6:.2f} us per greenhouse and step")
    print(f"pH within 5.5..6.3 for {100 * outcome.in_band_ratio.mean():.1f} % of the time,"
          f" worst greenhouse {100 * outcome.in_band_ratio.min():.1f} %;"
          f" {outcome.doses.mean():.0f} doses each; mass lost {plant.lost_moles():.1e}")


if __name__ == "__main__":
    main()

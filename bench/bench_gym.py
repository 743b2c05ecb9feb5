"""Measures the environments of the root zone: steps of five minutes a second on one core.

    python bench/bench_gym.py [--seconds S] [--envs N] [--record]

Random actions of a tenth of their space, so that episodes last. One greenhouse is made by
gymnasium.make with its wrappers. A loop of arithmetic in the same minute tells how busy the
machine is. Exit code 1 below 10,000 steps a second of one greenhouse, 100,000 of many.
"""

import argparse
import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # measure one core

import gymnasium
import numpy as np

import idrosim.gym

ONE, MANY = 10_000.0, 100_000.0
SHARE = 0.1
assert idrosim.gym  # registers the environments


def loops_per_s() -> float:
    """Return how often a loop of a thousand multiplications runs, a second of CPU."""
    began, count, value = time.process_time(), 0, 1.0
    while time.process_time() - began < 0.5:
        for _ in range(1_000):
            value = value * 1.0000001 + 0.1
        count += 1
    return count / (time.process_time() - began)


def one(name: str, seconds: float, **options: bool) -> float:
    """Return the steps a second of CPU of one greenhouse."""
    env = gymnasium.make(name, **options)
    env.action_space.seed(1)
    actions = [SHARE * env.action_space.sample() for _ in range(500)]
    env.reset(seed=1)
    for action in actions:  # constants of each temperature are computed once
        env.step(action)
    began, steps = time.process_time(), 0
    while time.process_time() - began < seconds:
        for action in actions:
            *_, is_lost, is_over, _ = env.step(action)
            if is_lost or is_over:
                env.reset()
        steps += len(actions)
    passed = time.process_time() - began
    env.close()
    return steps / passed


def many(name: str, count: int, seconds: float) -> float:
    """Return the steps a second of CPU of all greenhouses together."""
    envs = gymnasium.make_vec(name, num_envs=count)
    envs.action_space.seed(1)
    actions = [(SHARE * envs.action_space.sample()).astype(np.float32) for _ in range(10)]
    envs.reset(seed=1)
    began, steps = time.process_time(), 0
    while time.process_time() - began < seconds:
        for action in actions:
            envs.step(action)
        steps += len(actions) * count
    return steps / (time.process_time() - began)


def main() -> None:
    """Print a line per environment; exit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of CPU, for each figure")
    parser.add_argument("--envs", type=int, default=1_000)
    parser.add_argument("--record", action="store_true", help="write the section of RESULTS.md")
    asked = parser.parse_args()
    lines, is_good = ["| environment | steps a second |", "|---|---|"], True
    for name in ("idroserra/dose-v0", "idroserra/feed-v0"):
        single, vector = one(name, asked.seconds), many(name, asked.envs, asked.seconds)
        is_good &= single >= ONE and vector >= MANY
        lines += [f"| {name}, one greenhouse | {single:,.0f} |",
                  f"| {name}, {asked.envs:,} greenhouses | {vector:,.0f} |"]
    gated = one("idroserra/dose-v0", asked.seconds, gate=True)
    lines += [f"| idroserra/dose-v0 behind the safety gate | {gated:,.0f} |",
              f"| a loop of 1,000 multiplications, the same minute | {loops_per_s():,.0f} |"]
    print("\n".join(lines))
    if asked.record:
        from results import write_section  # found beside this script

        write_section("gym", ".venv/bin/python bench/bench_gym.py", lines)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()

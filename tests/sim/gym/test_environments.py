"""Tests of the Gymnasium environments: their interface, reproducibility, rewards and ends."""

import hashlib
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import idrosim.gym
from idrosim.benchmark.cases import Cell

NAMES = ("idroserra/dose-v0", "idroserra/feed-v0")
CELLS = (Cell("soft", "h3po4", 20, "fresh"), Cell("hard", "hno3", 100, "aged"))
NOTHING = {"idroserra/dose-v0": 3, "idroserra/feed-v0": 10}


def one(name, **changes):
    return gymnasium.make(name, **({"cells": CELLS} | changes))


def many(name, count, **changes):
    return gymnasium.make_vec(name, num_envs=count, **({"cells": CELLS} | changes))


@pytest.mark.parametrize("changes", [{}, {"step_s": 60.0}, {"cells": None}])
@pytest.mark.parametrize("name", NAMES)
def test_the_checker_of_gymnasium_is_content(name, changes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(one(name, **changes).unwrapped)


def test_importing_the_package_registers_the_environments_once():
    assert idrosim.gym.__name__ == "idrosim.gym"
    for name in NAMES:
        assert gymnasium.spec(name).vector_entry_point


def bytes_of_a_run(env, seed, steps=40):
    """Return a digest of everything that a run with random actions returned."""
    env.action_space.seed(seed)
    digest = hashlib.sha256()
    found = env.reset(seed=seed)
    for _ in range(steps):
        for part in found:
            values = part.values() if isinstance(part, dict) else [part]
            for value in values:
                digest.update(repr(value).encode() if isinstance(value, dict)
                              else np.asarray(value).tobytes())
        found = env.step(env.action_space.sample())
    return digest.hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(name):
    assert bytes_of_a_run(one(name), 3) == bytes_of_a_run(one(name), 3)
    assert bytes_of_a_run(one(name), 3) != bytes_of_a_run(one(name), 4)
    assert bytes_of_a_run(many(name, 5), 3) == bytes_of_a_run(many(name, 5), 3)
    assert bytes_of_a_run(many(name, 5), 3) != bytes_of_a_run(many(name, 5), 4)


@pytest.mark.parametrize("name", NAMES)
def test_observations_and_rewards_of_any_actions_are_in_their_limits(name):
    env = many(name, 40)
    env.reset(seed=2)
    env.action_space.seed(2)
    has_ended = np.zeros(40, bool)
    for _ in range(120):
        observations, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
        assert observations in env.observation_space
        assert (rewards <= 1.0).all()
        assert np.isfinite(rewards).all()
        assert not truncated.any()
        has_ended |= terminated
        assert (terminated == ((infos["ph"] < 3.5) | (infos["ph"] > 9.0)
                               | (infos["ec_us_cm"] > 6_000.0)
                               | (infos["level_ratio"] < 0.25))).all()
    assert has_ended.any()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(width=32, allow_infinity=True), min_size=3, max_size=3))
def test_any_action_is_limited_to_its_space_or_refused(values):
    env = ENV
    env.reset(seed=1)
    if any(value != value for value in values):
        with pytest.raises(ValueError, match="not a number"):
            env.step(np.array(values, np.float32))
        return
    found = env.step(np.array(values, np.float32))
    env.reset(seed=1)
    inside = np.clip(values, env.action_space.low, env.action_space.high)
    assert np.array_equal(found[0], env.step(inside)[0])


ENV = one(NAMES[0]).unwrapped


def test_acid_lowers_ph_nutrient_raises_ec_and_the_tap_the_level():
    found = {}
    for action in ((0, 0, 0), (-1, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
        ENV.reset(seed=5, options={"cell": CELLS[0].name})
        for _ in range(3):
            found[action] = ENV.step(np.array(action, np.float32))[4]
    rest = found[0, 0, 0]
    assert found[-1, 0, 0]["ph"] < rest["ph"] - 0.2
    assert found[1, 0, 0]["ph"] > rest["ph"] + 0.2
    assert found[0, 1, 0]["ec_us_cm"] > rest["ec_us_cm"] + 40.0
    assert found[0, 0, 1]["level_ratio"] > rest["level_ratio"] + 0.02


def test_the_reward_is_1_on_target_and_less_beside_it_and_for_acid():
    ENV.reset(seed=1)
    house = ENV.house
    quiet = ENV.task.flows(house, [0.0, 0.0, 0.0])
    house.water.solution.ph = house.cell["target_ph"]
    house.ec_us_cm = house.cell["target_us_cm"]
    house.water.volume_ml = house.cell["volume_ml"]
    assert ENV.task.reward(house, quiet) == pytest.approx(1.0)
    assert ENV.task.reward(house, ENV.task.flows(house, [-1.0, 0.0, 0.0])) < 1.0
    house.water.solution.ph += 0.2
    assert ENV.task.reward(house, quiet) == pytest.approx(1.0 - 0.4 / 3.0)
    house.water.solution.ph += 5.0
    assert ENV.task.reward(house, quiet) == pytest.approx(0.6)


def test_salts_bring_their_ions_and_draining_replaces_water():
    env = one(NAMES[1]).unwrapped
    names = [name for name, _, _ in env.task.actions]
    action = np.zeros(len(names), np.float32)
    action[names.index("MgSO4.7H2O")] = 1.0
    env.reset(seed=1)
    before = env.house.water.molar
    for _ in range(4):
        env.step(action)
    after = env.house.water.molar
    risen = {ion for ion in range(10) if after[ion] > before[ion] + 1e-3}
    assert risen == {4, 7}  # Mg, SO4
    volume_ml = env.house.water.volume_ml
    action[:] = 0.0
    action[names.index("drain")] = 1.0
    env.step(action)
    assert env.house.water.volume_ml == pytest.approx(
        volume_ml - 0.05 * env.house.cell["volume_ml"], rel=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_is_truncated_after_its_days_and_is_reset(name):
    still = np.zeros(NOTHING[name], np.float32)
    env = one(name, days=0.125)
    env.reset(seed=1)
    ends = [env.step(still)[2:4] for _ in range(36)]
    assert ends == [(False, False)] * 35 + [(False, True)]
    vector = many(name, 3, days=0.125)
    vector.reset(seed=1)
    stills = np.tile(still, (3, 1))
    for step in range(1, 40):
        found = vector.step(stills)
        assert found[3].all() == (step == 36)
        if step == 37:
            assert (found[1] == 0.0).all()
            assert (found[4]["level_ratio"] == 1.0).all()
            assert vector.house.elapsed_s.tolist() == [0.0] * 3


def test_only_the_greenhouses_that_ended_are_reset():
    env = many(NAMES[0], 4)
    env.reset(seed=1)
    actions = np.zeros((4, 3), np.float32)
    actions[1, 0] = -1.0  # acid until its crop is lost
    for _ in range(200):
        *_, terminated, _, _ = env.step(actions)
        if terminated.any():
            break
    assert terminated.tolist() == [False, True, False, False]
    elapsed_s = env.house.elapsed_s.copy()
    ph = env.step(actions)[4]["ph"]
    assert env.house.elapsed_s[1] == 0.0
    assert (env.house.elapsed_s[[0, 2, 3]] == elapsed_s[[0, 2, 3]] + 300.0).all()
    assert ph[1] > 5.0


@pytest.mark.parametrize(("changes", "error"), [
    ({"step_s": 10.0}, "step_s: 10.0 is outside 30 to 300"),
    ({"days": 0.0}, "days: 0.0 is not above 0"),
    ({"cells": ()}, "cells: expected at least one"),
])
def test_wrong_arguments_are_one_clear_error(changes, error):
    for make in (one, lambda name, **more: many(name, 2, **more)):
        with pytest.raises(ValueError, match=error):
            make(NAMES[0], **changes)


def test_an_unknown_cell_or_option_is_one_clear_error():
    with pytest.raises(ValueError, match=r"options\.cell: 'brine' is not one of"):
        ENV.reset(options={"cell": "brine"})
    with pytest.raises(ValueError, match="unknown key 'water'"):
        ENV.reset(options={"water": "ro"})


def test_a_cell_of_ones_own_keeps_its_pumps_probes_and_room():
    twin = {"ph_down.error_pct": 10.0, "probe.ph.offset_mv": 40.0, "outside.swing_c": 5.0}
    cell = Cell("medium", {"NO3": 1.0}, 50, 30.0, target_ph=6.2, flow_ml_s=2.0, twin=twin)
    env = one(NAMES[0], cells=[cell]).unwrapped
    observation, info = env.reset(seed=1)
    assert env.house.pump_ratios[0] == pytest.approx(1.1)
    assert env.house.pump_ratios[1] != 1.1
    assert observation[5] == pytest.approx(6.2)
    assert observation[0] < info["ph"] - 0.5  # 40 mV
    assert np.ptp(env.table.climates[0, 0]) > 8.0

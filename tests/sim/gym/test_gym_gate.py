"""Tests of dose-v0 behind the safety gate of the firmware."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from test_environments import bytes_of_a_run

import idrosim.gym
from idrosim.benchmark.cases import Cell

CELL = Cell("soft", "h3po4", 100, "fresh")
ACID = np.array([-1.0, 0.0, 0.0], np.float32)
assert idrosim.gym


@pytest.fixture
def env():
    made = gymnasium.make("idroserra/dose-v0", cells=(CELL,), gate=True).unwrapped
    yield made
    made.close()


def test_the_checker_of_gymnasium_is_content(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


def test_the_same_seed_gives_the_same_bytes(env):
    assert bytes_of_a_run(env, 3, 12) == bytes_of_a_run(env, 3, 12)


def test_a_node_that_was_switched_on_refuses_until_its_readings_are_plausible(env):
    env.reset(seed=1)
    assert env.step(ACID)[4]["refused"] == {"ph_down": "arming"}
    assert env.step(ACID)[4]["refused"] == {}


def test_an_agent_that_only_pours_acid_is_held_to_the_budget_of_the_hour(env):
    env.reset(seed=1)
    start_ph = env.house.water.ph
    found = [env.step(ACID) for _ in range(24)]
    assert found[-1][4]["refused"] == {"ph_down": "hour_spent"}
    assert not any(is_lost for _, _, is_lost, _, _ in found)
    assert found[-1][4]["ph"] > start_ph - 2 * 0.5 - 0.2  # two hours of half a pH
    bare = gymnasium.make("idroserra/dose-v0", cells=(CELL,)).unwrapped
    bare.reset(seed=1)
    assert any(bare.step(ACID)[2] for _ in range(24))


def test_a_refused_dose_is_not_in_the_water(env):
    env.reset(seed=1)
    quiet = env.step(np.zeros(3, np.float32))[4]["ph"]
    env.reset(seed=1)
    assert env.step(ACID)[4]["ph"] == pytest.approx(quiet, abs=1e-6)


def test_nutrient_a_and_b_are_given_a_minute_apart_within_a_step(env):
    env.reset(seed=1)
    feed = np.array([0.0, 1.0, 0.0], np.float32)
    env.step(feed)
    before = env.house.ec_us_cm
    assert env.step(feed)[4]["refused"] == {}
    env.step(np.zeros(3, np.float32))
    assert env.house.ec_us_cm > before + 15.0


def test_the_tap_is_refused_when_its_time_of_the_day_is_spent(env):
    env.reset(seed=1)
    codes = [env.step(np.array([0.0, 0.0, 1.0], np.float32))[4]["refused"] for _ in range(12)]
    assert codes[0] == {}
    assert codes[-1]["top_off"] in ("fill_spent", "tank_full")


def test_a_step_is_a_whole_number_of_samples():
    with pytest.raises(ValueError, match=r"step_s: 45\.0 is not a multiple of 30"):
        gymnasium.make("idroserra/dose-v0", cells=(CELL,), gate=True, step_s=45.0)

"""Tests of the scoreboard: its measures, reproducibility, and the policies of peers."""

import pytest

from idrosim.benchmark import cases, markdown_page, run, scoreboard, tables
from idrosim.benchmark.cases import Cell
from idrosim.benchmark.disturbances import Disturbance
from idrosim.benchmark.measures import Measures, Scorer
from idrosim.benchmark.peer_policies import PEERS, PolicySetup, Readings

CELL = Cell("soft", "h3po4", 100, "fresh")
SETUP = PolicySetup(100.0, 5.8, 1_500.0, 40.0, 40.0, 60.0)
DAY = 1 / 24


def test_the_matrix_is_waters_by_acids_by_volumes_by_probes():
    names = [cell.name for cell in cases.all_cells()]
    assert len(names) == len(set(names)) == 48
    assert "hard-hno3-1000-aged" in names


def test_cells_are_selected_by_number_and_by_pattern():
    assert len(cases.select("5")) == 5
    assert {cell.volume_l for cell in cases.select("ro-*-20-*,hard-*-20-*")} == {20}
    with pytest.raises(ValueError, match="no name matches brine"):
        cases.select("brine-*")


def test_reverse_osmosis_water_is_far_more_sensitive_than_hard_water():
    osmosis, hard = (Cell(water, "hno3", 100, "fresh").titration for water in ("ro", "hard"))
    assert hard.acid_ml_per_ph > 15 * osmosis.acid_ml_per_ph


def test_hard_water_holds_more_ions_at_its_target():
    assert Cell("hard", "hno3", 20, "fresh").target_us_cm > CELL.target_us_cm > 1_500


@pytest.mark.parametrize("policy", run.POLICIES)
def test_every_policy_doses_the_fresh_fill_and_is_reproducible(policy):
    first = run.run(CELL, policy, 3 * DAY)
    assert first.doses > 0
    assert first == run.run(CELL, policy, 3 * DAY)


def test_the_oracle_reaches_the_target_with_acid_alone():
    acid_meq, base_meq = run.least_reagent(CELL, 6 * DAY)
    # The titration from pH 6.4 to 5.8; CO2 that escapes meanwhile needs more.
    need_meq = 0.6 * CELL.titration.acid_ml_per_ph * cases.meq_ml("h3po4_10pct")
    assert need_meq < acid_meq < 2 * need_meq
    assert base_meq < 0.1 * acid_meq


def observed(scorer, ph, off_us_cm, at_s):
    """Let a scorer see a true pH and EC that the probes read exactly."""
    ec_us_cm = CELL.target_us_cm + off_us_cm
    scorer.observe(ph, ec_us_cm, Readings(at_s, ph, ec_us_cm, 200.0))


def test_overshoot_counts_only_after_a_dose():
    scorer = Scorer(CELL, "x")
    observed(scorer, 5.6, 0.0, 0.0)
    assert scorer.found.over_ph == 0.0
    scorer.count_doses({"ph_down": 1.0}, 0.0)
    observed(scorer, 5.65, 40.0, 600.0)
    assert scorer.found.over_ph == pytest.approx(0.15)
    assert scorer.found.over_ms_cm == 0.0
    observed(scorer, 5.2, 0.0, 3_600.0)
    assert scorer.found.over_ph == pytest.approx(0.15)


def test_time_in_band_counts_from_the_first_entry():
    scorer = Scorer(CELL, "x")
    for hour, ph in enumerate((6.4, 6.1, 5.9, 5.8, 6.1, 5.9)):
        observed(scorer, ph, 0.0, 3_600.0 * hour)
    assert scorer.found.to_band_h == 2.0
    assert scorer.ratio("both") == 0.75
    assert scorer.found.out_h == {"ph high": 1.0}


def test_a_poured_can_does_not_count_for_two_hours():
    scorer = Scorer(CELL, "x")
    observed(scorer, 5.8, 0.0, 0.0)
    scorer.count_doses({"ph_down": 1.0}, 0.0)
    scorer.disturb(Disturbance(0.0, "pour", "ph_down", 10.0), 0.0)
    for hour in (0.5, 1.5):
        observed(scorer, 5.2, 0.0, 3_600.0 * hour)
    assert (scorer.ratio("both"), scorer.found.over_ph) == (1.0, 0.0)
    assert scorer.found.worst_ph == 5.8
    observed(scorer, 5.2, 0.0, 7_200.0)
    assert scorer.ratio("both") == 0.5


def test_what_a_policy_does_after_a_pour_counts_once_it_is_back_in_band():
    scorer = Scorer(CELL, "x")
    scorer.disturb(Disturbance(0.0, "pour", "ph_down", 10.0), 0.0)
    scorer.count_doses({"ph_up": 1.0}, 0.0)
    for minute, ph in enumerate((5.2, 5.7, 6.05)):
        observed(scorer, ph, 0.0, 60.0 * minute)
    assert scorer.found.over_ph == pytest.approx(0.25)


def test_an_ec_raised_by_people_counts_again_at_the_target_or_after_a_dose():
    for is_fed, expected in ((False, 1.0), (True, 0.5)):
        scorer = Scorer(CELL, "x")
        observed(scorer, 5.8, 0.0, 0.0)
        scorer.disturb(Disturbance(0.0, "pour", "nutrient", 10.0), 0.0)
        observed(scorer, 5.8, 300.0, 60.0)
        if is_fed:
            scorer.count_doses({"nutrient_a": 1.0}, 90.0)
        observed(scorer, 5.8, 300.0, 30.0 * 3_600.0)
        assert scorer.ratio("ec") == expected


def test_the_first_dose_from_a_changed_bottle_is_no_overshoot():
    scorer = Scorer(CELL, "x")
    scorer.count_doses({"ph_down": 1.0}, -600.0)
    scorer.disturb(Disturbance(0.0, "bottle", "ph_down", 1.6), 0.0)
    for at_s, expected in ((0.0, 0.0), (600.0, 0.15)):
        scorer.count_doses({"ph_down": 1.0}, at_s)
        observed(scorer, 5.65, 0.0, at_s + 60.0)
        assert scorer.found.over_ph == pytest.approx(expected)


def test_mycodo_doses_the_same_every_five_minutes_and_nutrient_first():
    policy = PEERS["mycodo-fixed"](SETUP)
    given = [policy.act(Readings(at_s, 6.4, 1_300.0, 200.0)) for at_s in range(0, 900, 30)]
    assert [bool(doses) for doses in given].count(True) == 3
    assert given[0] == {"nutrient_a": 2.0, "nutrient_b": 2.0}
    assert policy.act(Readings(900.0, 7.4, 1_300.0, 200.0)) == {"ph_down": 2.0}


def test_mycodos_pid_never_runs_longer_than_its_period():
    policy = PEERS["mycodo-pid"](SETUP)
    assert policy.act(Readings(0.0, 50.0, 1_500.0, 200.0)) == {"ph_down": 30.0}


def test_reef_pi_continues_to_its_hysteresis():
    policy = PEERS["reef-pi"](SETUP)
    given = [policy.act(Readings(60.0 * step, ph, 1_500.0, 200.0)).get("ph_down")
             for step, ph in enumerate((5.88, 5.92, 5.88, 5.86, 5.84, 5.88))]
    assert given == [None, 1.0, 1.0, 1.0, None, None]


def test_hydruino_learns_from_the_last_response_within_limits():
    policy = PEERS["hydruino"](SETUP)
    first = policy.act(Readings(0.0, 6.4, 1_500.0, 200.0))["ph_down"]
    assert policy.act(Readings(300.0, 6.3, 1_500.0, 200.0)) == {}
    for at_s, ph, ratio in ((2_000.0, 6.38, 1.5), (4_000.0, 5.93, 0.5)):
        given = policy.act(Readings(at_s, ph, 1_500.0, 200.0))
        assert given["ph_down"] == pytest.approx(ratio * first)


def test_bluelab_locks_after_fifteen_doses_without_effect():
    policy = PEERS["bluelab"](SETUP)
    given = [policy.act(Readings(600.0 * step, 6.8, 1_500.0, 200.0)) for step in range(40)]
    assert sum(bool(doses) for doses in given) == 15
    assert given[0] == {"ph_down": pytest.approx(4.0)}


def test_bluelab_resets_its_count_in_band():
    policy = PEERS["bluelab"](SETUP)
    given = [policy.act(Readings(600.0 * step, 5.8 if step % 10 == 9 else 5.95, 1_500.0, 200.0))
             for step in range(40)]
    assert sum(bool(doses) for doses in given) == 36


def test_bluelab_waits_a_minute_after_a_probe_in_air():
    policy = PEERS["bluelab"](SETUP)
    assert policy.act(Readings(0.0, 6.8, 50.0, 200.0)) == {}
    assert policy.act(Readings(30.0, 6.8, 1_500.0, 200.0)) == {}
    assert policy.act(Readings(60.0, 6.8, 1_500.0, 200.0))


def test_an_interrupted_board_resumes(tmp_path):
    cache = tmp_path / "score.jsonl"
    progress: list[int] = []
    board = scoreboard.run_all([CELL], ["hydruino"], DAY, cache)
    lines = cache.read_text().splitlines()
    cache.write_text(lines[0] + "\n" + lines[1][:40])
    again = scoreboard.run_all(
        [CELL], ["hydruino"], DAY, cache, lambda done, _: progress.append(done))
    assert again == board
    assert progress == [1, 2]


def test_the_page_lists_missed_aims():
    week = Measures("hard-hno3-20-aged", "idroserra", to_band_h=3.0, in_band_ratio=0.96,
                          ph_in_band_ratio=0.961, ec_in_band_ratio=1.0, over_ph=0.12)
    assert tables.misses(week) == ["96.0 % in band (pH 96.1 %, EC 100.0 %)",
                                         "overshoot 0.12 pH"]
    text = markdown_page.page([week], 7.0, "score.png")
    assert "| idroserra | 0 of 1 | 3.0 / 3.0 |" in text
    assert "overshoot 0.12 pH |" in text
    assert tables.misses(Measures("a", "b")) == ["never in band"]


def test_the_comparison_skips_policies_that_were_never_in_band():
    def week(policy, to_band_h, over_ph):
        return Measures("c", policy, to_band_h=to_band_h, in_band_ratio=1.0, over_ph=over_ph)

    board = [week("idroserra", 4.0, 0.05), week("idroserra", 6.0, 0.02), week("a", 1.0, 0.3),
             week("a", None, 0.3), week("b", 5.0, 0.2), week("b", 9.0, 0.1)]
    rows = {line[0]: line[1:] for line in tables.comparison(board)}
    assert rows["hours to band"] == ["6.0", "9.0", "b", "5.0", "1.0", "a"]
    assert rows["overshoot pH"] == ["0.05", "0.20", "b", "0.04", "0.15", "b"]

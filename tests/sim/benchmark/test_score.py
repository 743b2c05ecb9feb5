"""The scoreboard: what is measured, that the same cell gives the same figures, peers as told."""

import pytest

from idrosim.benchmark import cases, markdown_page, run, scoreboard, tables
from idrosim.benchmark.cases import Cell
from idrosim.benchmark.peer_policies import PEERS, Seen, Wish

CELL = Cell("soft", "h3po4", 100, "fresh")
WISH = Wish(100.0, 5.8, 1_500.0, 40.0, 40.0, 60.0)
DAY = 1 / 24


def test_the_matrix_is_waters_by_acids_by_volumes_by_probes():
    names = [cell.name for cell in cases.all_cells()]
    assert len(names) == len(set(names)) == 48
    assert "hard-hno3-1000-aged" in names


def test_cells_are_chosen_by_number_and_by_pattern():
    assert len(cases.chosen("5")) == 5
    assert {cell.volume_l for cell in cases.chosen("ro-*-20-*,hard-*-20-*")} == {20}
    with pytest.raises(ValueError, match="none is named brine"):
        cases.chosen("brine-*")


def test_osmosis_water_is_far_more_sensitive_than_hard_water():
    osmosis, hard = (Cell(water, "hno3", 100, "fresh").titration for water in ("ro", "hard"))
    assert hard.acid_ml_per_ph > 15 * osmosis.acid_ml_per_ph


def test_hard_water_holds_more_ions_at_its_target():
    assert Cell("hard", "hno3", 20, "fresh").target_us_cm > CELL.target_us_cm > 1_500


@pytest.mark.parametrize("policy", run.POLICIES)
def test_every_policy_feeds_the_fresh_fill_and_the_week_is_the_same_again(policy):
    first = run.run(CELL, policy, 3 * DAY)
    assert first.doses > 0
    assert first == run.run(CELL, policy, 3 * DAY)


def test_the_least_reaches_the_target_with_acid_alone():
    acid_meq, base_meq = run.least(CELL, 6 * DAY)
    # From pH 6.4 to 5.8 the titration says as much; CO2 that leaves meanwhile asks for more.
    need_meq = 0.6 * CELL.titration.acid_ml_per_ph * cases.MEQ_ML["h3po4_10pct"]
    assert need_meq < acid_meq < 2 * need_meq
    assert base_meq < 0.1 * acid_meq


def test_overshoot_is_what_a_dose_does_past_the_target():
    judge = run._Judge(CELL, "x")
    judge.look(5.6, CELL.target_us_cm, 0.0)
    assert judge.found.over_ph == 0.0
    judge.dosed({"ph_down": 1.0}, 0.0)
    judge.look(5.65, CELL.target_us_cm + 40.0, 600.0)
    assert judge.found.over_ph == pytest.approx(0.15)
    assert judge.found.over_ms_cm == 0.0
    judge.look(5.2, CELL.target_us_cm, 3_600.0)
    assert judge.found.over_ph == pytest.approx(0.15)


def test_time_in_band_counts_from_the_first_entry():
    judge = run._Judge(CELL, "x")
    for hour, ph in enumerate((6.4, 6.1, 5.9, 5.8, 6.1, 5.9)):
        judge.look(ph, CELL.target_us_cm, 3_600.0 * hour)
    assert judge.found.to_band_h == 2.0
    assert run._ratio(judge._steps["both"]) == 0.75


def test_mycodo_doses_the_same_every_five_minutes_and_nutrient_first():
    policy = PEERS["mycodo-fixed"](WISH)
    given = [policy.act(Seen(at_s, 6.4, 1_300.0, 200.0)) for at_s in range(0, 900, 30)]
    assert [bool(doses) for doses in given].count(True) == 3
    assert given[0] == {"nutrient_a": 2.0, "nutrient_b": 2.0}
    assert policy.act(Seen(900.0, 7.4, 1_300.0, 200.0)) == {"ph_down": 2.0}


def test_mycodos_pid_never_runs_longer_than_its_period():
    policy = PEERS["mycodo-pid"](WISH)
    assert policy.act(Seen(0.0, 50.0, 1_500.0, 200.0)) == {"ph_down": 30.0}


def test_reef_pi_goes_on_until_its_hysteresis():
    policy = PEERS["reef-pi"](WISH)
    given = [policy.act(Seen(60.0 * step, ph, 1_500.0, 200.0)).get("ph_down")
             for step, ph in enumerate((5.88, 5.92, 5.88, 5.86, 5.84, 5.88))]
    assert given == [None, 1.0, 1.0, 1.0, None, None]


def test_hydruino_learns_from_the_last_response_within_limits():
    policy = PEERS["hydruino"](WISH)
    first = policy.act(Seen(0.0, 6.4, 1_500.0, 200.0))["ph_down"]
    assert policy.act(Seen(300.0, 6.3, 1_500.0, 200.0)) == {}
    assert policy.act(Seen(2_000.0, 6.38, 1_500.0, 200.0))["ph_down"] == pytest.approx(1.5 * first)
    assert policy.act(Seen(4_000.0, 5.93, 1_500.0, 200.0))["ph_down"] == pytest.approx(0.5 * first)


def test_bluelab_locks_after_fifteen_doses_without_effect():
    policy = PEERS["bluelab"](WISH)
    given = [policy.act(Seen(600.0 * step, 6.8, 1_500.0, 200.0)) for step in range(40)]
    assert sum(bool(doses) for doses in given) == 15
    assert given[0] == {"ph_down": pytest.approx(4.0)}


def test_bluelab_counts_anew_once_the_reading_was_in_band():
    policy = PEERS["bluelab"](WISH)
    given = [policy.act(Seen(600.0 * step, 5.8 if step % 10 == 9 else 5.95, 1_500.0, 200.0))
             for step in range(40)]
    assert sum(bool(doses) for doses in given) == 36


def test_bluelab_waits_a_minute_after_a_probe_in_air():
    policy = PEERS["bluelab"](WISH)
    assert policy.act(Seen(0.0, 6.8, 50.0, 200.0)) == {}
    assert policy.act(Seen(30.0, 6.8, 1_500.0, 200.0)) == {}
    assert policy.act(Seen(60.0, 6.8, 1_500.0, 200.0))


def test_a_board_that_was_broken_off_goes_on_where_it_stopped(tmp_path):
    cache = tmp_path / "score.jsonl"
    told: list[int] = []
    board = scoreboard.run_all([CELL], ["hydruino"], DAY, cache)
    lines = cache.read_text().splitlines()
    cache.write_text(lines[0] + "\n" + lines[1][:40])
    again = scoreboard.run_all(
        [CELL], ["hydruino"], DAY, cache, lambda done, _: told.append(done))
    assert again == board
    assert told == [1, 2]


def test_the_page_says_what_misses():
    week = run.Measures("hard-hno3-20-aged", "idroserra", to_band_h=3.0, in_band_ratio=0.96,
                          ph_in_band_ratio=0.961, ec_in_band_ratio=1.0, over_ph=0.12)
    assert tables.misses(week) == ["96.0 % in band (pH 96.1 %, EC 100.0 %)",
                                         "overshoot 0.12 pH"]
    text = markdown_page.page([week], 7.0, "score.png")
    assert "| idroserra | 0 of 1 | 3.0 / 3.0 |" in text
    assert "overshoot 0.12 pH |" in text
    assert tables.misses(run.Measures("a", "b")) == ["never in band"]


def test_rivals_are_the_best_peers_and_who_never_arrives_is_none():
    def week(policy, to_band_h, over_ph):
        return run.Measures("c", policy, to_band_h=to_band_h, in_band_ratio=1.0, over_ph=over_ph)

    board = [week("idroserra", 4.0, 0.05), week("idroserra", 6.0, 0.02), week("a", 1.0, 0.3),
             week("a", None, 0.3), week("b", 5.0, 0.2), week("b", 9.0, 0.1)]
    rows = {line[0]: line[1:] for line in tables.rivals(board)}
    assert rows["hours to band"] == ["6.0", "9.0", "b", "5.0", "1.0", "a"]
    assert rows["overshoot pH"] == ["0.05", "0.20", "b", "0.04", "0.15", "b"]

"""The short part of `make walk-page`: crop tasks in one language on a phone."""

from support.walk_runner import BRIEF, walk


def test_an_operators_day_on_a_phone_in_italian(browser, tmp_path):
    wrong = walk(browser, tmp_path, ("it", "phone", "dark"), BRIEF, is_brief=True)
    assert not wrong, "\n".join(wrong)

"""How bright it is at a local time of day: a photoperiod with a ramp up and a ramp down."""

from idro.protocol.samples import Decision

ACTUATOR = "light"
LEASE_MS = 600_000
DAY_S = 86_400


def decide(second_of_day, values):
    """Return the Decision for the light at a local second of the day (0..86399)."""
    duty_pct, reason = _level(second_of_day, values)
    return Decision(ACTUATOR, None, LEASE_MS, duty_pct, reason)


def _level(second_of_day, values):
    length_s = values["light.on_minutes"] * 60
    full_pct = values["light.duty_pct"]
    since_s = (second_of_day - values["light.on_minute"] * 60) % DAY_S
    if since_s >= length_s:
        return 0, "dark: night"
    ramp_s = min(values["light.ramp_minutes"] * 60, length_s // 2)
    rest_s = length_s - since_s
    if length_s < DAY_S and since_s < ramp_s:
        return full_pct * since_s // ramp_s, "light: sunrise"
    if length_s < DAY_S and rest_s < ramp_s:
        return full_pct * rest_s // ramp_s, "light: sunset"
    return full_pct, "light: day"

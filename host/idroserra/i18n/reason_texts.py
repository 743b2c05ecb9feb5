"""The English text of each code of a reason, of nodes and of the host."""

from idroserra.i18n.host_reason_texts import HOST_TEXTS
from idroserra.i18n.marker import N_
from idroserra.i18n.node_reason_texts import NODE_TEXTS, Table

TEXTS: Table = {**NODE_TEXTS, **HOST_TEXTS}

# The texts of the codes with `left_ms` once that time is over.
ENDED_TEXTS: dict[str, str] = {
    "mixing": N_("the water is mixing"),
    "b_after": N_("nutrient A was given, B follows"),
    "ph_watched": N_("how fast pH drifts without doses is measured first"),
    "effect_watched": N_("whether the last doses had an effect is measured"),
    "calibration": N_("probes are being calibrated"),
    "watering": N_("watering"),
    "irrigation_rest": N_("irrigation rests"),
    "fill_timeout": N_("the tank did not fill in time"),
    "flow_retry": N_("there is no flow and no level reading"),
    "hot_lock": N_("the air was too hot"),
    "gap": N_("{actuator} was given recently"),
    "apart": N_("{actuator} was given recently"),
    "power_failed": N_("the power failed during a dose"),
    "release_watched": N_("observed"),
}

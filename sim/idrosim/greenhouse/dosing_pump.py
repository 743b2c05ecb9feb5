"""Model of a peristaltic dosing pump with its line and bottle.

The line from bottle to tank is a plug-flow pipe. An empty bottle lets in air, which must be
pumped out before liquid arrives; an idle line may drain back. The tube wears with the pumped
volume, a bad valve drips after a stop, and a bottle above the tank may siphon through an idle
pump.
"""

from idrosim.greenhouse.water import STOCKS, amounts

_DRIP_S = 5.0  # duration of a drip


class Doser:
    """`params` are the plant's, keys `<name>.*`; `error_pct` is the true calibration error.

    `bottle` is the Doser whose bottle the tube draws from: itself, unless tubes are swapped.
    """

    def __init__(self, name, params, error_pct):
        self.name = name
        self._drawn_error_pct = error_pct
        self.truth_key = "dosed." + name + "_ml"
        self.level = 0.0
        self.dosed_ml = 0.0  # total that left the line
        self.bottle_ml = params[name + ".bottle_ml"]
        self.bottle = self
        self._turned_ml = 0.0  # total moved by the rotor, including air
        self._dripping_ml = 0.0
        self._rested_since_s = 0.0
        self._was_turning = False
        # From the outlet: liquid, then air, then liquid.
        self._ahead_ml = self._air_ml = 0.0
        self.configure(params)
        if self.bottle_ml <= 0.0:
            self._air_ml = self._line_ml
        self.let_in_air(params[name + ".air_ml"])

    def configure(self, params):
        """Set stock, flow and faults from `params`; the contents of bottle and line stay."""
        name = self.name
        error_pct = params[name + ".error_pct"]
        if error_pct is None:
            error_pct = self._drawn_error_pct
        self.moles_per_ml = amounts(STOCKS, params[(params[name + ".tube"] or name) + ".stock"],
                                    1e-3)
        self._flow_ml_s = (params[name + ".flow_ml_per_s"] * (1.0 + 0.01 * error_pct)
                           * params[name + ".effect_ratio"])
        self._wear_per_ml = 1e-5 * params[name + ".wear_pct_per_l"]
        self._worn_ml = 1e3 * params[name + ".worn_l"]
        self._line_ml = params[name + ".line_ml"]
        self._drip_ml = params[name + ".drip_ml"]
        self._drain_ml_s = params[name + ".drain_ml_per_h"] / 3600.0
        self._siphon_ml_s = params[name + ".siphon_ml_per_h"] / 3600.0
        self._stuck = params[name + ".stuck"]
        self._air_ml = min(self._air_ml, self._line_ml)

    def let_in_air(self, air_ml):
        """Add up to `air_ml` of air at the outlet of the line."""
        if air_ml > 0.0:
            self._ahead_ml = 0.0
            self._air_ml = min(self._air_ml + air_ml, self._line_ml)

    def _is_turning(self):
        return self._stuck == "on" or (self.level > 0.0 and self._stuck != "off")

    def is_running(self):
        """Return True while the rotor turns or the pump drips."""
        return self._dripping_ml > 0.0 or self._is_turning()

    def is_flowing(self):
        """Return True while liquid may leave the line, including by siphoning."""
        return self._siphon_ml_s > 0.0 or self.is_running()

    def turn(self, now_s):
        """Apply a start or stop of the rotor at `now_s`; call after every change."""
        is_turning = self._is_turning()
        if is_turning == self._was_turning:
            return
        self._was_turning = is_turning
        if is_turning:
            drained_ml = min(self._drain_ml_s * (now_s - self._rested_since_s),
                             self._line_ml - self._air_ml)
            self.bottle.bottle_ml += max(drained_ml, 0.0)
            self.let_in_air(drained_ml)
            self._dripping_ml = 0.0
        else:
            self._rested_since_s = now_s
            self._dripping_ml = self._drip_ml

    def pump(self, dt_s):
        """Return the liquid that leaves the line in `dt_s`, ml; air does not count."""
        if not self._is_turning():
            volume_ml = min(self._dripping_ml, self._drip_ml * dt_s / _DRIP_S)
            self._dripping_ml -= volume_ml
            return self._push(volume_ml + self._siphon_ml_s * dt_s)
        level = 1.0 if self._stuck == "on" else self.level
        healthy = 1.0 - self._wear_per_ml * (self._worn_ml + self._turned_ml)
        volume_ml = level * self._flow_ml_s * max(healthy, 0.0) * dt_s
        self._turned_ml += volume_ml
        return self._push(volume_ml)

    def _push(self, volume_ml):
        """Move `volume_ml` through the line; return the liquid at the outlet, ml."""
        bottle = self.bottle
        drawn_ml = min(volume_ml, bottle.bottle_ml)
        bottle.bottle_ml -= drawn_ml
        out_ml = volume_ml
        if self._air_ml > 0.0 or drawn_ml < volume_ml:
            out_ml = self._push_air(volume_ml, drawn_ml)
        self.dosed_ml += out_ml
        return out_ml

    def _push_air(self, volume_ml, drawn_ml):
        """Do the work of `_push` when air is in the line or enters it."""
        if drawn_ml < volume_ml:  # air enters behind the liquid
            self._ahead_ml = self._line_ml - self._air_ml + drawn_ml
            self._air_ml += volume_ml - drawn_ml
        liquid_ml = min(volume_ml, self._ahead_ml)
        self._ahead_ml -= liquid_ml
        air_ml = min(volume_ml - liquid_ml, self._air_ml)
        self._air_ml -= air_ml
        return volume_ml - air_ml

    def state(self):
        """Return the floats and the flag that `restore` takes back."""
        return [self.dosed_ml, self.bottle_ml, self._turned_ml, self._ahead_ml, self._air_ml,
                self._dripping_ml, self._rested_since_s, 1.0 if self._was_turning else 0.0]

    def restore(self, floats):
        """Restore what `state` returned."""
        (self.dosed_ml, self.bottle_ml, self._turned_ml, self._ahead_ml, self._air_ml,
         self._dripping_ml, self._rested_since_s, was_turning) = floats
        self._was_turning = was_turning > 0.0

"""A peristaltic dosing pump with its bottle: what it was told to pump and what it did."""

from idrosim.water import STOCKS, amounts


class Doser:
    """`params` are the plant's, keys `<name>.*`; `error_pct` is the true calibration error."""

    def __init__(self, name, params, error_pct):
        self._name = name
        self._drawn_error_pct = error_pct
        self.truth_key = "dosed." + name + "_ml"
        self.level = 0.0
        self.dosed_ml = 0.0
        self.bottle_ml = params[name + ".bottle_ml"]
        self.configure(params)

    def configure(self, params):
        """Take stock, flow and faults from `params`; the bottle keeps what it holds."""
        name = self._name
        error_pct = params[name + ".error_pct"]
        if error_pct is None:
            error_pct = self._drawn_error_pct
        self.moles_per_ml = amounts(STOCKS, params[name + ".stock"], 1e-3)
        self._flow_ml_s = params[name + ".flow_ml_per_s"] * (1.0 + 0.01 * error_pct)
        self._stuck = params[name + ".stuck"]

    def is_running(self):
        """True while the rotor turns: told to or stuck."""
        return self._stuck == "on" or (self.level > 0.0 and self._stuck != "off")

    def pump(self, dt_s):
        """Return the ml delivered in `dt_s`; an empty bottle delivers air, which is none."""
        if not self.is_running():
            return 0.0
        level = 1.0 if self._stuck == "on" else self.level
        volume_ml = min(level * self._flow_ml_s * dt_s, self.bottle_ml)
        self.bottle_ml -= volume_ml
        self.dosed_ml += volume_ml
        return volume_ml

"""The task that gives one dose at a time while sampling continues."""

import asyncio

from idro.errors import NodeError
from idro.safety.outputs import Refused

_GRACE_MS = 15_000


class DoseTask:
    """Takes a dose from control or a person, gives it through the gate and reports the outcome."""

    def __init__(self, gate, readings, beat):
        self._gate = gate
        self._readings = readings
        self._beat = beat
        self._job: tuple | None = None
        self._requested = asyncio.Event()

    @property
    def is_busy(self):
        """True from submit() until the dose was given or refused."""
        return self._job is not None

    def submit(self, actuator, volume_ul, origin, on_done, step=None):
        """Request a dose. Raises Refused while another one is under way.

        `origin` is (reason, by). `on_done(actuation, refusal)` is called with one of them, the
        other is None. `step` is (give, lasts_ms) of a correction step instead of a dose: give()
        returns the coroutine that gives it.
        """
        if self._job is not None:
            raise Refused("busy", f"{self._job[0]} is dosing")

        def dose():
            return self._gate.dose(actuator, volume_ul, origin[0], origin[1], self._readings)

        give, lasts_ms = step or (dose, 0)
        self._job = (actuator, give, lasts_ms, on_done)
        self._beat("dosing", _GRACE_MS)
        self._requested.set()

    async def run(self):
        """Give doses, for ever."""
        job = self._job
        if job is not None:
            self._job = None
            job[3](None, "dosing failed and was started again")
        while True:
            self._requested.clear()
            self._beat("dosing")
            await self._requested.wait()
            job = self._job
            if job is not None:
                await self._give(job)

    async def _give(self, job):
        _, give, lasts_ms, on_done = job
        actuation = refusal = None
        try:
            self._beat("dosing", _GRACE_MS + lasts_ms)
            actuation = await give()
        except NodeError as error:
            refusal = str(error)
        finally:
            self._job = None
        on_done(actuation, refusal)

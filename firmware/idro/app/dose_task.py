"""Gives one dose at a time, in a task of its own, so that sampling goes on meanwhile."""

import asyncio

from idro.errors import NodeError
from idro.safety.outputs import Refused

_GRACE_MS = 15_000


class DoseTask:
    """Takes a dose from control or a person, gives it through the gate, tells who asked."""

    def __init__(self, gate, readings, beat):
        self._gate = gate
        self._readings = readings
        self._beat = beat
        self._job: tuple | None = None
        self._wanted = asyncio.Event()

    @property
    def is_busy(self):
        """True from submit() until the dose was given or refused."""
        return self._job is not None

    def submit(self, actuator, volume_ul, told, on_done, step=None):
        """Ask for a dose; `told` is (reason, by). `on_done(actuation, refusal)` gets one of both,
        None the other. `step` is (give, lasts_ms) of a run that is no dose: give() returns the
        coroutine that gives it. Raises Refused while another dose is under way."""
        if self._job is not None:
            raise Refused("busy", f"{self._job[0]} is dosing")

        def dose():
            return self._gate.dose(actuator, volume_ul, told[0], told[1], self._readings)

        give, lasts_ms = step or (dose, 0)
        self._job = (actuator, give, lasts_ms, on_done)
        self._beat("dosing", _GRACE_MS)
        self._wanted.set()

    async def run(self):
        """Give doses for ever."""
        job = self._job
        if job is not None:
            self._job = None
            job[3](None, "dosing failed and was started again")
        while True:
            self._wanted.clear()
            self._beat("dosing")
            await self._wanted.wait()
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

"""The task that gives one dose at a time while sampling continues."""

import asyncio

from idro.errors import NodeError
from idro.protocol.reason import Reason
from idro.safety.outputs import Refused

_GRACE_MS = 15_000
_DETAIL_CHARS = 120


class DoseTask:
    """Takes a dose from control or a person, gives it through the gate and reports the outcome."""

    def __init__(self, gate, readings, beat):
        self._gate = gate
        self._readings = readings
        self._beat = beat
        # Held by a dose, and by the publisher while it logs in: a TLS handshake stops the whole
        # board for seconds, and with it the cut-off of a pump.
        self.dose_or_handshake = asyncio.Lock()
        self._job: tuple | None = None
        self._requested = asyncio.Event()

    @property
    def is_busy(self):
        """True from submit() until the dose was given or refused."""
        return self._job is not None

    def submit(self, actuator, volume_ul, origin, on_done, step=None):
        """Request a dose. Raises Refused while another one is under way.

        `origin` is (Reason, by). `on_done(actuation, refusal)` is called with an Actuation or the
        Reason of a refusal, the other is None; also if the task fails amid the dose. `step` is
        (give, lasts_ms) of a correction step instead of a dose: give() returns the coroutine that
        gives it.
        """
        if self._job is not None:
            raise Refused(Reason("busy", actuator=self._job[0]))

        def dose():
            return self._gate.dose(actuator, volume_ul, origin[0], origin[1], self._readings)

        give, lasts_ms = step or (dose, 0)
        job = (actuator, give, lasts_ms, on_done, self._gate.stop_count)
        self._beat("dosing", _GRACE_MS)  # what may be refused memory comes first
        self._job = job
        self._requested.set()

    async def run(self):
        """Give doses, for ever."""
        job = self._job
        if job is not None:
            self._job = None
            job[3](None, Reason("dose_failed"))
        while True:
            self._requested.clear()
            self._beat("dosing")
            await self._requested.wait()
            job = self._job
            if job is not None:
                await self._give(job)

    async def _give(self, job):
        _, give, lasts_ms, on_done, stop_count = job
        actuation = refusal = None
        before = self._gate.given
        try:
            self._beat("dosing")  # the supervisor ends a connection that hangs
            async with self.dose_or_handshake:
                self._beat("dosing", _GRACE_MS + lasts_ms)
                if stop_count != self._gate.stop_count:
                    raise Refused(Reason("stopped"))  # also if dosing was resumed meanwhile
                actuation = await give()
        except Refused as refused:
            refusal = refused.reason
        except NodeError as failure:
            refusal = Reason("actuator_failed", detail=str(failure)[:_DETAIL_CHARS])
        finally:
            self._job = None
            if actuation is None and refusal is None:  # the task fails, maybe amid the dose
                if self._gate.given is before:
                    refusal = Reason("dose_failed")
                else:
                    actuation = self._gate.given
            on_done(actuation, refusal)

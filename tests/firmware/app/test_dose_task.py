"""The task that gives doses: whatever ends one, who asked for it hears how much was given."""

import asyncio

import pytest

from idro.app.dose_task import DoseTask
from idro.protocol.reason import Reason
from idro.safety.outputs import Refused
from support.safety_rig import BY_HAND, Rig

FAILURES = (MemoryError(), OSError(5), RuntimeError())


class Doses:
    """A DoseTask over a real gate. `heard` are the outcomes of the doses."""

    def __init__(self, folder):
        self.rig = Rig(folder)
        self.rig.arm()
        self.heard = []
        self.failure = None
        self.task = DoseTask(self.rig.gate, self.rig.readings, self._beat)
        self.loop = asyncio.new_event_loop()
        self.start()

    def start(self):
        """Start the task, as the supervisor does."""
        self._running = self.loop.create_task(self.task.run())
        self.turn()

    def _beat(self, name, within_ms=None):
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def submit(self, actuator="ph_down", volume_ul=3_000):
        self.task.submit(actuator, volume_ul, (BY_HAND, "ann"),
                         lambda actuation, refusal: self.heard.append((actuation, refusal)))

    def turn(self):
        """Let the task go on until it waits for a dose. Raises what has ended it."""
        async def turn():
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turn())
        if self._running.done():
            self._running.result()

    def close(self):
        self._running.cancel()
        self.loop.run_until_complete(asyncio.gather(self._running, return_exceptions=True))
        self.loop.close()


@pytest.fixture
def doses(tmp_path):
    doses = Doses(tmp_path)
    yield doses
    doses.close()


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_dose_that_fails_in_the_middle_tells_how_much_was_given(doses, failure):
    def fail():
        raise failure

    doses.rig.clock.call_in(1_300, fail)
    doses.submit()
    with pytest.raises(type(failure)):
        doses.turn()
    (actuation, refusal), = doses.heard
    assert refusal is None
    assert (actuation.actuator, actuation.volume_ul) == ("ph_down", 1_300)
    assert actuation.cut == Reason("dose_failed")
    assert not doses.task.is_busy


def test_a_task_that_fails_before_the_dose_tells_that_nothing_was_given(doses):
    doses.submit(volume_ul=500)
    doses.turn()
    doses.rig.wait(400_000)
    doses.submit()
    doses.failure = MemoryError()  # of the task, before it begins
    with pytest.raises(MemoryError):
        doses.turn()
    assert doses.heard[1:] == [(None, Reason("dose_failed"))]
    assert not doses.task.is_busy
    doses.start()
    doses.submit()
    doses.turn()
    assert doses.heard[-1][0].volume_ul == 3_000


def test_a_request_that_is_refused_memory_leaves_the_task_free(doses):
    doses.failure = MemoryError()
    with pytest.raises(MemoryError):
        doses.submit()
    doses.turn()
    assert doses.heard == []
    assert not doses.task.is_busy
    doses.submit()
    doses.turn()
    assert doses.heard[0][0].volume_ul == 3_000


def test_a_dose_that_was_asked_for_while_stopped_is_not_given_after_a_resume(doses):
    doses.rig.gate.stop("ann")
    doses.submit()
    doses.rig.gate.resume("ann")
    doses.turn()
    assert doses.heard == [(None, Reason("stopped"))]
    assert doses.rig.runs("ph_down") == []


def test_one_dose_at_a_time(doses):
    doses.submit()
    with pytest.raises(Refused):
        doses.submit("ph_up")

"""`_asyncio` in Python: the task queue of asyncio on the virtual ticks of the board.

The C version uses the real clock, so it must be replaced before the first `import asyncio`; the
frozen asyncio itself is unchanged. Written from the contract between asyncio.core and its tasks.
A task that sleeps and wakes allocates nothing.
"""

_MASK = (1 << 30) - 1
_HALF = 1 << 29


class TaskQueue:
    """Tasks by due time (`ph_key`, in ticks), first in first out among equals."""

    core = None  # asyncio.core, set after the import
    ticks_ms = None
    failure = None  # [error, resumptions to skip, text in the coroutine]; see fail_later

    def __init__(self):
        self._head = None

    def peek(self):
        """Return the task that is due first, or None.

        asyncio's loop peeks at a task that is not due, then polls until it is. Waiting here saves
        it a round per wake-up. Queues of tasks that wait for an event or another task never wait:
        a time stamp there may be so old that it seems to be in the future.
        """
        task = self._head
        core = TaskQueue.core
        if task is None or self is not core._task_queue:
            return task
        wait_ms = ((task.ph_key - TaskQueue.ticks_ms() + _HALF) & _MASK) - _HALF
        if wait_ms > 0:
            core._io_queue.poller.wait(wait_ms)
        return self._head

    def push(self, task, key=None):
        """Queue `task` for the tick `key`, by default now."""
        task.data = None
        if key is None:
            key = TaskQueue.ticks_ms()
        task.ph_key = key
        after = self._head
        if after is None or ((key - after.ph_key + _HALF) & _MASK) < _HALF:
            task.ph_next = after
            self._head = task
            return
        following = after.ph_next
        while following is not None and ((key - following.ph_key + _HALF) & _MASK) >= _HALF:
            after = following
            following = after.ph_next
        task.ph_next = following
        after.ph_next = task

    def pop(self):
        """Remove and return the task that is due first."""
        task = self._head
        self._head = task.ph_next
        task.ph_next = None
        if TaskQueue.failure is not None and self is TaskQueue.core._task_queue:
            _fail(task)
        return task

    def remove(self, task):
        """Remove `task`."""
        before = None
        here = self._head
        while here is not None and here is not task:
            before = here
            here = here.ph_next
        if here is None:
            return
        if before is None:
            self._head = task.ph_next
        else:
            before.ph_next = task.ph_next
        task.ph_next = None


def fail_later(error, skips, coroutine):
    """Raise `error` in a task at the await where it waits, when it is resumed.

    It is the next task whose coroutine has `coroutine` in its name, after `skips` of them.
    """
    TaskQueue.failure = [error, skips, coroutine]


def _fail(task):
    failure = TaskQueue.failure
    if task.data is not None or failure[2] not in repr(task.coro):
        return
    if failure[1]:
        failure[1] -= 1
        return
    TaskQueue.failure = None
    task.data = failure[0]


class Task:
    """A coroutine that asyncio runs. `state` is True while it runs unawaited, a TaskQueue while
    it is awaited, None or False once done; `data` is the object it waits on, then its result."""

    def __init__(self, coro, globals=None):
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0
        self.ph_next = None

    def __iter__(self):
        if not self.state:
            self.state = False  # its exception is retrieved
        elif self.state is True:
            self.state = TaskQueue()
        elif type(self.state) is not TaskQueue:
            raise RuntimeError("can't wait")
        return self

    def __next__(self):
        if not self.state:
            raise self.data
        current = TaskQueue.core.cur_task
        self.state.push(current)
        current.data = self

    def done(self):
        """Return True once the coroutine has ended."""
        return not self.state

    def cancel(self):
        """Raise CancelledError in the task. Return False if it has ended."""
        core = TaskQueue.core
        if not self.state:
            return False
        if self is core.cur_task:
            raise RuntimeError("can't cancel self")
        task = self
        while isinstance(task.data, Task):
            task = task.data
        if hasattr(task.data, "remove"):
            task.data.remove(task)
            core._task_queue.push(task)
        elif core.ticks_diff(task.ph_key, core.ticks()) > 0:
            core._task_queue.remove(task)
            core._task_queue.push(task)
        task.data = core.CancelledError
        return True

"""A subscription of the live state, read by one asyncio task."""

import asyncio

import pytest

from idroserra.nodes.live import Subscription

TURNS = range(8)  # of the event loop, from a message to the end of next()


@pytest.mark.parametrize("turns", TURNS)
def test_a_reader_ends_when_it_is_cancelled_while_a_message_arrives(turns):
    async def main():
        subscription = Subscription()

        async def read():
            while True:
                await subscription.next(3_600)

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        subscription.put({"type": "info"})
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        for _ in TURNS:
            await asyncio.sleep(0)
        assert task.cancelled()

    asyncio.run(main())


def test_a_reader_gets_what_waits_and_nothing_after_the_time():
    async def main():
        subscription = Subscription()
        subscription.put({"type": "info"})
        assert await subscription.next(3_600) == [{"type": "info"}]
        assert await subscription.next(0) == []

    asyncio.run(main())

"""`python -m idroserra.broker.amqtt PORT`: amqtt on loopback, for machines without mosquitto.

amqtt 0.12.1 sends a connecting client the retained messages of *every* client's subscriptions
(broker.py, the loop after `handler.start()`). This broker sends them only to the subscriber.
"""

import asyncio
import logging
import sys
from typing import Any

from amqtt.broker import Broker


class OwnRetainedBroker(Broker):  # type: ignore[misc]
    """amqtt's broker without that leak of retained messages."""

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Any
    ) -> None:
        holders = self._subscriptions.get(subscription[0], [])
        if any(holder.client_id == session.client_id for holder, _ in holders):
            await super()._publish_retained_messages_for_subscription(subscription, session)


async def serve(port: int) -> None:
    """Serve MQTT 3.1.1 on loopback until cancelled."""
    broker = OwnRetainedBroker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}}}
    )
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve(int(sys.argv[1])))

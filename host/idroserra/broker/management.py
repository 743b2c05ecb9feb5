"""Changes the users of a cluster of RabbitMQ brokers by the management API of any member.

https://www.rabbitmq.com/docs/http-api-reference
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from idroserra.broker.mosquitto import BrokerControlError
from idroserra.broker.rabbitmq import Cluster, limits, permissions, user

ANSWER_S = 10.0
MAX_ANSWER_BYTES = 16 * 1_048_576
_NOT_FOUND = 404


class Management:
    """The management API. Each call asks the members in turn until one answers, the one that
    answered last first; it can be repeated, and raises BrokerControlError."""

    def __init__(self, cluster: Cluster, cell: str, ca: Path, cert: Path, key: Path) -> None:
        """`ca` verifies the members; `cert` and `key` are those of the host."""
        self._cluster = cluster
        self._answered = ""
        self._cell = quote(cell, safe="")
        self._context = ssl.create_default_context(cafile=str(ca))
        self._context.load_cert_chain(cert, key)
        secret = base64.b64encode(f"{cell}:{cluster.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}

    def add(self, login: str, name: str) -> None:
        """Let the user `name` connect with the certificate of this login."""
        queues, topics = permissions(name)
        # In this order: a user can connect once it has rights to the cell.
        self._call("PUT", f"/users/{login}", user(name))
        for limit, value in limits(name).items():
            self._call("PUT", f"/user-limits/{login}/{limit}", {"value": value})
        self._call("PUT", f"/topic-permissions/{self._cell}/{login}", topics)
        self._call("PUT", f"/permissions/{self._cell}/{login}", queues)

    def remove(self, login: str) -> None:
        """Remove a user and end its connections, at every member."""
        self.delete(f"/users/{login}")
        self.delete(f"/connections/username/{login}")

    def get(self, path: str) -> Any:
        """Return what the API has under a path, None if nothing."""
        return self._call("GET", path)

    def delete(self, path: str) -> None:
        """Delete what the API has under a path."""
        self._call("DELETE", path)

    def answers_of_each(self, path: str) -> Iterator[tuple[str, Any]]:
        """Yield each member and its answer, or the error that it does not answer with."""
        for member in self._cluster.members:
            try:
                yield member, self._call("GET", path, members=[member])
            except BrokerControlError as error:
                yield member, error

    def _call(
        self, method: str, path: str, body: Any = None, *, members: Sequence[str] = ()
    ) -> Any:
        failures = []
        for member in members or sorted(
                self._cluster.members, key=lambda one: one != self._answered):
            where = f"{member}:{self._cluster.management_port}"
            connection = http.client.HTTPSConnection(
                member, self._cluster.management_port, timeout=ANSWER_S, context=self._context)
            try:
                connection.request(method, f"/api{path}",
                                   None if body is None else json.dumps(body), self._headers)
                answer = connection.getresponse()
                content = answer.read(MAX_ANSWER_BYTES)
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"{where}: {getattr(error, 'strerror', None) or error}")
                continue
            finally:
                connection.close()
            self._answered = member
            if answer.status == _NOT_FOUND:
                return None
            if answer.status >= 500:  # noqa: PLR2004  it is starting or stopping
                failures.append(f"{where}: HTTP {answer.status}")
                continue
            if answer.status >= 400:  # noqa: PLR2004
                raise BrokerControlError(f"{where}: {method} {path}: HTTP {answer.status}: "
                                         f"{content[:200].decode(errors='replace')}")
            return json.loads(content) if content else None
        raise BrokerControlError(f"no broker of the cluster answers: {'; '.join(failures)}")

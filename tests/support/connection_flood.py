"""Floods a server with connections: connection_flood.py PORT BEGINNING MORE (in hex).

Opens 500 idle connections and 50 that send a request byte by byte. Prints `there` once they are
open and `gone` once the server has closed all of them; ends when stdin does.
"""

import select
import socket
import sys
from contextlib import suppress

IDLE, SLOW = 500, 50
TRICKLE_MS = 200


def main() -> None:
    port, begin, more = int(sys.argv[1]), bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
    flood = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(IDLE + SLOW)]
    for connection in flood[:SLOW]:
        connection.sendall(begin)
    poll = select.poll()
    for connection in flood:
        connection.setblocking(False)
        poll.register(connection, select.POLLIN | select.POLLHUP)
    poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
    left = {connection.fileno(): connection for connection in flood}
    print("there", flush=True)
    at = 0
    while True:
        for number, _ in poll.poll(TRICKLE_MS):
            if number == sys.stdin.fileno():
                return
            if _is_closed(left[number]):
                poll.unregister(number)
                left.pop(number).close()
                if not left:
                    print("gone", flush=True)
        for connection in flood[:SLOW]:
            with suppress(OSError):  # closed by the server
                connection.send(more[at % len(more):][:1])
        at += 1


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1_024) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


if __name__ == "__main__":
    main()

"""A crowd, in a process of its own: crowd.py PORT BEGINNING MORE (in hex).

500 connections that say nothing and 50 that go on with a request byte by byte. Says `there` when
they stand, `gone` when whoever listens has hung up on all of them; ends when stdin does.
"""

import select
import socket
import sys
from contextlib import suppress

IDLE, SLOW = 500, 50
TRICKLE_MS = 200


def main() -> None:
    port, begin, more = int(sys.argv[1]), bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
    crowd = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(IDLE + SLOW)]
    for one in crowd[:SLOW]:
        one.sendall(begin)
    poll = select.poll()
    for one in crowd:
        one.setblocking(False)
        poll.register(one, select.POLLIN | select.POLLHUP)
    poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
    left = {one.fileno(): one for one in crowd}
    print("there", flush=True)
    at = 0
    while True:
        for number, _ in poll.poll(TRICKLE_MS):
            if number == sys.stdin.fileno():
                return
            if _is_hung_up(left[number]):
                poll.unregister(number)
                left.pop(number).close()
                if not left:
                    print("gone", flush=True)
        for one in crowd[:SLOW]:
            with suppress(OSError):  # hung up on
                one.send(more[at % len(more):][:1])
        at += 1


def _is_hung_up(one: socket.socket) -> bool:
    try:
        return one.recv(1_024) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


if __name__ == "__main__":
    main()

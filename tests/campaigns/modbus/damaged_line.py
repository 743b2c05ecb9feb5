"""A UART in virtual time, whose line leads over a pty to a real server and damages its answers."""

import os
import random
import select

CHAR_US = 1_042
ANSWER_S = 5.0
# How an answer comes back, and how often. All within what docs/modbus.md states: late within a
# second of the request, doubled within 50 ms, flipped in up to three bits or in a burst of 16.
KINDS = {"good": 40, "cut": 9, "flipped": 9, "burst": 9, "late": 9, "doubled": 9, "foreign": 9,
         "noise": 3, "lost": 3}


class DamagedLine:
    """machine.UART with time-out 0. `answered` is [(request, answer)] of the server, whole.

    `kinds` are the shares of what happens to an answer, by default KINDS."""

    def __init__(self, clock, master, seed, kinds=None):
        self._clock = clock
        self._master = master
        self._draw = random.Random(seed)
        self._arriving = []  # (time in us, bytes)
        self._by_address = {}  # the last answer of each slave
        self.answered = []
        self._kinds = kinds or KINDS
        self.counts = dict.fromkeys(self._kinds, 0)

    def write(self, frame):
        kind = self._draw.choices(list(self._kinds), self._kinds.values())[0]
        self.counts[kind] += 1
        answer = self._ask(frame)
        self.answered.append((frame, answer))
        sent_us = self._clock.now_us + len(frame) * CHAR_US
        for delay_us, data in self._damaged(kind, answer):
            at_us = sent_us + 4_000 + delay_us
            self._arriving += [(at_us + (n + 1) * CHAR_US, data[n:n + 1])
                               for n in range(len(data))]
        self._arriving.sort(key=lambda item: item[0])

    def flush(self):
        self._clock.spend(8 * CHAR_US)

    def read(self):
        now_us = self._clock.now_us
        found = b"".join(byte for at_us, byte in self._arriving if at_us <= now_us)
        self._arriving = [item for item in self._arriving if item[0] > now_us]
        return found or None

    def _ask(self, frame):
        """Return the server's answer to a whole frame."""
        os.write(self._master, frame)
        answer = b""
        while len(answer) < 5 or len(answer) < (5 if answer[1] & 0x80 else 5 + answer[2]):
            ready, _, _ = select.select([self._master], [], [], ANSWER_S)
            assert ready, f"the server does not answer {frame.hex()}, only {answer.hex()}"
            answer += os.read(self._master, 256)
        return answer

    def _damaged(self, kind, answer):
        """Return [(delay in us, bytes)]: what the line makes of an answer."""
        draw = self._draw
        foreign = [a for address, a in self._by_address.items() if address != answer[0]]
        self._by_address[answer[0]] = answer
        if kind == "cut":
            at = draw.randrange(1, len(answer))
            return [(0, answer[:at] if draw.random() < 0.5 else answer[at:])]
        if kind == "flipped":
            bits = draw.sample(range(8 * len(answer)), draw.randint(1, 3))
            return [(0, flipped(answer, bits))]
        if kind == "burst":
            first = draw.randrange(8 * len(answer) - 16)
            inner = [bit for bit in range(first + 1, first + 15) if draw.random() < 0.5]
            return [(0, flipped(answer, [first, *inner, first + 15]))]
        if kind == "late":
            return [(draw.randrange(310_000, 950_000), answer)]
        if kind == "doubled":
            return [(0, answer), (draw.randrange(len(answer) * CHAR_US, 50_000), answer)]
        if kind == "foreign":
            alien = draw.choice(foreign) if foreign else answer[::-1]
            return [(0, alien)] if draw.random() < 0.5 else [(0, alien + answer)]
        if kind == "noise":
            noise = draw.randbytes(draw.randint(1, 20))
            return [(0, noise + answer) if draw.random() < 0.5 else (0, answer + noise)]
        return [] if kind == "lost" else [(0, answer)]


def flipped(frame, bits):
    """Return a frame with these bits flipped."""
    data = bytearray(frame)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    return bytes(data)

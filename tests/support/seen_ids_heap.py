"""Measures the heap used by the ids of a thousand commands: `micropython seen_ids_heap.py FOLDER`.
"""

import gc
import sys

from idro.safety.authentication import CommandIdLog

COMMAND = "f0e1d2c3-b4a5-9687-7869-%012d"


def held_b():
    gc.collect()
    return gc.mem_alloc()


path = sys.argv[1] + "/ids"
log = CommandIdLog(path)
before_b = held_b()
for number in range(1_000):
    if log.has(COMMAND % number):
        print("unknown id found:", number)
    log.add(COMMAND % number)
print("held kB:", (held_b() - before_b) // 1_000)
print("kept:", [log.has(COMMAND % number) for number in (999, 681)])
with open(path) as file:
    print("lines:", len(file.read().split()))
again = CommandIdLog(path)
print("read back:", [again.has(COMMAND % number) for number in (999, 680, 600)])

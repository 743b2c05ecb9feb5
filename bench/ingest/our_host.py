"""Runs the host without its page, to be measured: our_host.py CONFIG.json [PROFILE]"""

import cProfile
import json
import signal
import sys
import threading
import time

from flood import NODES  # found beside this file

from idroserra.core.config import load_config
from idroserra.server.service import Service, tune_garbage_collector

KEY = b"k" * 32


def main() -> None:
    """Run until SIGTERM. With PROFILE, write a CPU profile of each thread there."""
    service = Service(load_config(None, json.loads(sys.argv[1])))
    for number in range(NODES):
        service.nodes.adopt(f"idro-f{number:02d}", KEY)
    profiles = []
    if len(sys.argv) > 2:
        for part in (service._ingest, service._writer):
            profile, run = cProfile.Profile(time.thread_time), part.run
            profiles.append(profile)
            part.run = lambda profile=profile, run=run: profile.runcall(run)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    service.start()
    tune_garbage_collector()
    ended.wait()
    service.stop()
    for number, profile in enumerate(profiles):
        profile.dump_stats(f"{sys.argv[2]}-{number}")


if __name__ == "__main__":
    main()

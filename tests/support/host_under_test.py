"""Runs the host service in a process that tests can kill: host_under_test.py CONFIG_JSON."""

import json
import signal
import sys
import threading

from idroserra.core.config import load_config
from idroserra.server.service import Service


def main() -> None:
    service = Service(load_config(None, json.loads(sys.argv[1])))
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    service.start()
    print("started", flush=True)
    ended.wait()
    service.stop()


if __name__ == "__main__":
    main()

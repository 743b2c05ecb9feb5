"""What the scenario does to the world, and when: parameters, faults, commands, the network."""


class Timeline:
    """Arms one event at a time on the rig's clock; the place in the list outlives a reset."""

    def __init__(self, rig, world, net, host):
        self._rig = rig
        self._world = world
        self._net = net
        self._host = host  # None in live mode: the real host sends commands
        self._events = sorted(rig.job["timeline"], key=_at_ms)
        self._next = 0
        self._network = "up"

    def state(self):
        """Return what outlives a reset."""
        return {"next": self._next, "network": self._network}

    def restore(self, state):
        """Take up where `state` left off."""
        self._next = state["next"]
        self._network = state["network"]
        self._net.set(self._network)

    def arm(self):
        """Wait for the next event."""
        if self._next < len(self._events):
            self._rig.clock.at(self._events[self._next]["at_ms"] * 1_000, self._fire)

    def _fire(self):
        event = self._events[self._next]
        self._next += 1
        self.arm()
        try:
            self._do(event)
        except ValueError as error:
            self._rig.misuse(error)

    def _do(self, event):
        if "set" in event:
            for key, value in event["set"].items():
                self._world.set_param(key, value)
        elif "network" in event:
            self._network = event["network"]
            self._net.set(self._network)
        elif "command" in event:
            if self._host is not None:
                self._host.command(event["command"])
        elif "fault" in event:
            self._fault(event["fault"], event.get("args", {}))
        else:
            raise ValueError("timeline: event without set, fault, command or network")

    def _fault(self, kind, args):
        if kind == "power_cut":
            self._rig.reset("power", args.get("for_ms", 1_000))
        elif kind == "reset":
            self._rig.reset("reset")
        else:
            self._world.set_fault(kind, args["target"])


def _at_ms(event):
    return event["at_ms"]

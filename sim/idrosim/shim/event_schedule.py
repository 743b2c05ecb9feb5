"""What the scenario does to the world, and when: parameters, faults, commands, the network."""

from idrosim.greenhouse.parameters import DOSERS
from idrosim.shim.peers.hostile_host import HostileHost


class Timeline:
    """Arms one event at a time on the rig's clock; the place in the list outlives a reset."""

    def __init__(self, rig, world, net, host):
        self._rig = rig
        self._world = world
        self._net = net
        self._host = host  # None in live mode: the real host sends commands
        self._events = _in_order(rig.job["timeline"])
        self._next = 0
        self._network = ("up", {})
        self._at_dose = []  # [fault, args], each for the next dose that begins
        self._evil = None if host is None else HostileHost(rig, host)
        world.on_edge = self._edge

    def state(self):
        """Return what outlives a reset."""
        return {
            "next": self._next, "network": self._network,
            "wall_shift_ms": self._rig.wall_shift_ms, "at_dose": self._at_dose,
            "evil": None if self._evil is None else self._evil.state(),
        }

    def restore(self, state):
        """Take up where `state` left off."""
        self._next = state["next"]
        self._rig.wall_shift_ms = state["wall_shift_ms"]
        self._at_dose = state["at_dose"]
        if self._evil is not None:
            self._evil.restore(state["evil"])
        name, args = state["network"]
        if name == "wifi_stuck":
            name = "up"  # a reset starts the radio anew
        self._set_network(name, args)

    def arm(self):
        """Wait for the next event."""
        if self._next < len(self._events):
            self._rig.clock.at(self._events[self._next]["at_ms"] * 1_000, self._fire)

    def _fire(self):
        event = self._events[self._next]
        self._next += 1
        self.arm()
        self.happen(event)

    def happen(self, event):
        """Let an event be, whatever the list says."""
        try:
            self._do(event)
        except ValueError as error:
            self._rig.misuse(error)

    def _do(self, event):
        if "set" in event:
            for key, value in event["set"].items():
                self._world.set_param(key, value)
        elif "network" in event:
            self._set_network(event["network"], event.get("args", {}))
        elif "clock" in event:
            self._rig.wall_shift_ms += event["clock"]
        elif "press" in event:
            self._world.press(event["press"])
        elif "fault" in event:
            self._fault(event["fault"], event.get("args", {}))
        elif self._host is not None:  # else the real host says what is to be
            self._ask(event)

    def _ask(self, event):
        """Have the host say something to the node."""
        if "command" in event:
            self._host.command(event["command"])
        elif "settings" in event:
            self._host.set_settings(event["settings"])
        elif "update" in event:
            self._host.updates.offer(event["update"])
        elif "evil" in event:
            self._evil.begin(event["evil"])
        else:
            raise ValueError(
                "timeline: event without set, settings, fault, command, network, clock, update or "
                "evil"
            )

    def _edge(self, output, ratio):
        """A dose begins: what waited for that happens `after_dose_ms` later."""
        if self._at_dose and output in DOSERS and ratio > 0.0:
            kind, args = self._at_dose.pop(0)
            clock = self._rig.clock
            clock.at(
                clock.now_us + args["after_dose_ms"] * 1_000, lambda: self._befall(kind, args)
            )

    def _fault(self, kind, args):
        if "after_dose_ms" in args:
            self._at_dose.append([kind, args])
        else:
            self._befall(kind, args)

    def _befall(self, kind, args):
        if kind in ("power_cut", "brown_out"):
            cause = "power" if kind == "power_cut" else kind
            for_ms = args.get("for_ms", 1_000)
            if "operation" in args:
                self._rig.flash_faults.cut_at(
                    args["operation"], args["written"], cause, for_ms, args.get("target", "")
                )
            else:
                self._rig.reset(cause, for_ms)
        elif kind.startswith("flash_"):
            self._rig.flash_faults.apply(kind[6:], args)
        elif kind == "none" and (args["target"] == "flash" or args["target"][0] == "/"):
            self._rig.flash_faults.apply(kind, args)
        elif kind == "rtc_lost":
            self._rig.lose_rtc()
        elif kind in ("hang", "busy"):
            self._hang(kind, args["for_ms"])
        elif kind == "reset":
            self._rig.reset("reset")
        else:
            self._world.set_fault(kind, args["target"])

    def _hang(self, kind, for_ms):
        """Let the firmware get no further: "busy" still runs callbacks of timers, "hang" none."""
        rig = self._rig
        rig.is_hung = kind == "hang"
        rig.clock.advance_to(rig.clock.now_us + for_ms * 1_000)
        rig.is_hung = False

    def _set_network(self, state, args):
        """A state of the network, or host_down: then the broker takes what nobody stores."""
        self._network = (state, args)
        if self._host is not None:
            self._host.is_away = state == "host_down"
        self._net.set("up" if state == "host_down" else state, args)


def _in_order(events):
    """Return `events` by time, those of the same moment as they were written."""
    keys = sorted([(events[index]["at_ms"], index) for index in range(len(events))])
    return [events[index] for _, index in keys]

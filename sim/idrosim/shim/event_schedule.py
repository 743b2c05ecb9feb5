"""Applies the timeline of a scenario: parameters, faults, commands and network states."""

from idrosim.greenhouse.parameters import DOSERS
from idrosim.shim.hardware.timers import run_queued
from idrosim.shim.peers.hostile_host import HostileHost
from idrosim.shim.time.asyncio_core import fail_later

_FILL = "top_off"
_TASK_ERRORS = {"MemoryError": MemoryError, "OSError": OSError, "RuntimeError": RuntimeError}


class Timeline:
    """Schedules one event at a time on the clock; its position survives a reset."""

    def __init__(self, runtime, world, net, host):
        self._runtime = runtime
        self._world = world
        self._net = net
        self._host = host  # None in live mode: the real host sends commands
        self._events = _in_order(runtime.job["timeline"])
        self._next = 0
        self._network = ("up", {})
        self._at_dose = []  # [fault, args], one for each next start of a dose
        self._at_fill = []  # and of a fill
        self._evil = None if host is None else HostileHost(runtime, host)
        world.on_edge = self._edge

    def state(self):
        """Return the state that survives a reset."""
        return {
            "next": self._next, "network": self._network,
            "wall_shift_ms": self._runtime.wall_shift_ms, "at_dose": self._at_dose,
            "at_fill": self._at_fill,
            "evil": None if self._evil is None else self._evil.state(),
        }

    def restore(self, state):
        """Restore what `state` returned."""
        self._next = state["next"]
        self._runtime.wall_shift_ms = state["wall_shift_ms"]
        self._at_dose = state["at_dose"]
        self._at_fill = state["at_fill"]
        if self._evil is not None:
            self._evil.restore(state["evil"])
        name, args = state["network"]
        if name == "wifi_stuck":
            name = "up"  # a reset restarts the radio
        self._set_network(name, args)

    def arm(self):
        """Schedule the next event."""
        if self._next < len(self._events):
            self._runtime.clock.at(self._events[self._next]["at_ms"] * 1_000, self._fire)

    def _fire(self):
        event = self._events[self._next]
        self._next += 1
        self.arm()
        self.apply(event)

    def apply(self, event):
        """Apply `event` now, independently of the schedule."""
        try:
            self._do(event)
        except ValueError as error:
            self._runtime.misuse(error)

    def _do(self, event):
        if "set" in event:
            for key, value in event["set"].items():
                self._world.set_param(key, value)
        elif "network" in event:
            self._set_network(event["network"], event.get("args", {}))
        elif "clock" in event:
            self._runtime.wall_shift_ms += event["clock"]
        elif "press" in event:
            self._world.press(event["press"])
        elif "fault" in event:
            self._start_fault(event["fault"], event.get("args", {}))
        elif self._host is not None:  # in live mode the real host does this
            self._send(event)

    def _send(self, event):
        """Send a message of the host to the node."""
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
                "evil")

    def _edge(self, output, ratio):
        """At the start of a dose or a fill, schedule the fault that waits for one, `after_dose_ms`
        or `after_fill_ms` later."""
        if ratio <= 0.0:
            return
        if self._at_dose and output in DOSERS:
            self._schedule_fault(self._at_dose.pop(0), "after_dose_ms")
        elif self._at_fill and output == _FILL:
            self._schedule_fault(self._at_fill.pop(0), "after_fill_ms")

    def _schedule_fault(self, fault, delay):
        kind, args = fault
        clock = self._runtime.clock
        clock.at(clock.now_us + args[delay] * 1_000, lambda: self._apply_fault(kind, args))

    def _start_fault(self, kind, args):
        if "after_dose_ms" in args:
            self._at_dose.append([kind, args])
        elif "after_fill_ms" in args:
            self._at_fill.append([kind, args])
        else:
            self._apply_fault(kind, args)

    def _apply_fault(self, kind, args):
        if kind in ("power_cut", "brown_out"):
            cause = "power" if kind == "power_cut" else kind
            for_ms = args.get("for_ms", 1_000)
            if "operation" in args:
                self._runtime.flash_faults.cut_at(
                    args["operation"], args["written"], cause, for_ms, args.get("target", ""))
            else:
                self._runtime.reset(cause, for_ms)
        elif kind.startswith("flash_"):
            self._runtime.flash_faults.apply(kind[6:], args)
        elif kind == "none" and (args["target"] == "flash" or args["target"][0] == "/"):
            self._runtime.flash_faults.apply(kind, args)
        elif kind == "rtc_lost":
            self._runtime.lose_rtc()
        elif kind in ("hang", "busy"):
            self._hang(kind, args["for_ms"])
        elif kind in ("reset", "panic", "console"):
            self._runtime.reset(kind)
        elif kind == "break":
            self._runtime.at_prompt_us = args["for_ms"] * 1_000
            raise KeyboardInterrupt
        elif kind == "task_fails":
            error = _TASK_ERRORS[args["error"]]("injected")
            fail_later(error, args.get("skips", 0), args.get("coroutine", ""))
        else:
            self._world.set_fault(kind, args["target"])

    def _hang(self, kind, for_ms):
        """Block the firmware for `for_ms`; timer callbacks run when "busy", not in a "hang"."""
        runtime = self._runtime
        runtime.is_hung = kind == "hang"
        runtime.clock.advance_to(runtime.clock.now_us + for_ms * 1_000)
        runtime.is_hung = False
        run_queued()

    def _set_network(self, state, args):
        """Set a state of the network; with host_down the broker accepts, and nothing is stored."""
        self._network = (state, args)
        if self._host is not None:
            self._host.is_away = state == "host_down"
        self._net.set("up" if state == "host_down" else state, args)


def _in_order(events):
    """Return `events` in order of time, then of the list."""
    keys = sorted([(events[index]["at_ms"], index) for index in range(len(events))])
    return [events[index] for _, index in keys]

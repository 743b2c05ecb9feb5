"""Events of a scripted node that tell of the correction of a fresh fill."""

from idro.protocol.reason import Reason

STATE = {"actuator": "ph_down", "given_ul": 0, "left_ul": 400_000, "next_ul": 0,
         "target_milli_ph": 5_900, "reason": Reason("correction_volume",
                                                         volume_ul=400_000).as_json(),
         "by": "someone at the page"}


def publish_state(node, state, code=None, values=None, **more):
    """Publish one state; `code` and `values` are those of its reason."""
    if code is not None:
        more["reason"] = Reason(code, **(values or {})).as_json()
    node.tell("correction", STATE | {"state": state} | more)

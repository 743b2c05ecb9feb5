"""Gymnasium environments of the root zone: importing this package registers them.

    import gymnasium, idrosim.gym
    env = gymnasium.make("idroserra/dose-v0")

docs/benchmark.md describes them. CPython only; needs the extra `gym`.
"""

import gymnasium

for _name in ("dose", "feed"):
    gymnasium.register(
        f"idroserra/{_name}-v0",
        entry_point=f"idrosim.gym.environment:{_name}",
        vector_entry_point=f"idrosim.gym.vector:{_name}")

"""LIBERO's expert without its simulator, for tests of how its demos are kept; importable by worker processes."""

import numpy as np

from mstool.simulators.demos import Attempt
from mstool.simulators.libero import generate
from mstool.simulators.seed_workers import serve_seeds


class FakeExpert:
    """Stands in for the simulator: every third seed fails."""

    stop_at = -1
    tried: list[int] = []  # noqa: RUF012

    def __init__(self, env_id):
        self.actions, self.states = [], []

    def solve(self, seed):
        if seed == self.stop_at:
            raise KeyboardInterrupt
        self.tried.append(seed)
        random = np.random.default_rng(seed)
        self.actions = [random.uniform(-1, 1, 7).astype(np.float32) for _ in range(4)]
        self.states = [
            {"mujoco": {"state": random.uniform(size=92)}, "fixtures": {"stove": random.uniform(size=7)}}
            for _ in range(5)
        ]
        solved = seed % 3 > 0
        return Attempt(seed, success=solved, steps=4, failure="" if solved else "not successful")

    def close(self):
        pass


def serve(pipe, env_id, work):
    generate.LiberoExpert = FakeExpert
    serve_seeds(pipe, lambda: generate.Recorder(env_id, work))

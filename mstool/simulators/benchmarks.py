"""The benchmarks there are. To add one: a folder beside this file, and a line here."""

from mstool.simulators.base import Benchmark, Simulator, SimulatorSpec
from mstool.simulators.maniskill.benchmark import ManiSkill

# The first that claims an environment's name has it; ManiSkill claims what no other does.
BENCHMARKS: list[Benchmark] = [ManiSkill()]


def benchmark_of(env_id: str) -> Benchmark:
    """Return the benchmark that an environment's name is meant for."""
    return next(benchmark for benchmark in BENCHMARKS if benchmark.claims(env_id))


def build_simulator(spec: SimulatorSpec) -> Simulator:
    """Build an environment, whosever it is; MstoolError, with the cause, where it cannot be built."""
    return benchmark_of(spec.env_id).build(spec)

"""The benchmarks there are. To add one: a folder beside this file, and a line here."""

from collections.abc import Sequence

from mstool.nearest import no_environment
from mstool.simulators.base import Benchmark, Simulator, SimulatorSpec
from mstool.simulators.environments import EnvironmentFacts
from mstool.simulators.libero.benchmark import Libero
from mstool.simulators.maniskill.benchmark import ManiSkill

# The first that claims an environment's name has it; ManiSkill claims what no other does.
BENCHMARKS: list[Benchmark] = [Libero(), ManiSkill()]


def benchmark_of(env_id: str) -> Benchmark:
    """Return the benchmark that an environment's name is meant for."""
    return next(benchmark for benchmark in BENCHMARKS if benchmark.claims(env_id))


def build_simulator(spec: SimulatorSpec) -> Simulator:
    """Build an environment, whosever it is; MstoolError, with the cause, where it cannot be built."""
    return benchmark_of(spec.env_id).build(spec)


def known_environments(names: Sequence[str] = ()) -> list[EnvironmentFacts]:
    """Return what is known of every environment, or of those named in their order; no simulator is loaded.

    Raises
    ------
    UsageError
        There is no environment of a name.

    """
    known = {facts.env_id: facts for benchmark in BENCHMARKS for facts in benchmark.environments()}
    for name in names:
        if name not in known:
            raise no_environment("environment", name, known)
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())

"""What others report of a suite, beside what was found here."""

from collections.abc import Sequence
from typing import Any

from mstool.simulators.protocol import Protocol, Published


def reported(published: Published | None, suites: Sequence[str]) -> float | None:
    """Return the mean rate, 0 to 1, that others report of `suites`; None where they say nothing of one of them."""
    rates = published.rates if published is not None else {}
    return sum(rates[suite] for suite in suites) / len(suites) if suites and set(suites) <= set(rates) else None


def published_json(published: Published | None, suite: str) -> dict[str, Any] | None:
    """Return plain JSON data of what others report of a suite; None where they say nothing."""
    if published is None or suite not in published.rates:
        return None
    return {
        "policy": published.policy,
        "rate": published.rates[suite],
        "episodes_per_task": published.episodes,
        "source": published.source,
    }


def published_notes(protocol: Protocol | None, suites: Sequence[str]) -> list[str]:
    """Say of which policy and by which protocol the published figures of `suites` are; nothing where there are none."""
    known = protocol.published if protocol is not None else None
    if protocol is None or known is None or not set(suites) & set(known.rates):
        return []
    rates = ", ".join(f"{suite} {100 * known.rates[suite]:.1f} %" for suite in suites if suite in known.rates)
    how = f"protocol {protocol.name}, {known.episodes} episodes of every task of a suite"
    return [f"published of {known.policy}, {how}: {rates} ({known.source})"]

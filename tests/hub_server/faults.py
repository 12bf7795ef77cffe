"""What can go wrong, on purpose."""

import re
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Fault:
    """One thing that goes wrong, `times` times, for requests that match.

    `kind` is: `status` (answer with `status` and `body`), `html` (a proxy's page, with `status`), `cut` (close the
    connection after `after` bytes of the request's or the answer's body), `slow` (wait `delay` seconds first),
    `corrupt` (store or send a flipped byte).
    """

    kind: Literal["status", "html", "cut", "slow", "corrupt"]
    method: str = ".*"
    path: str = ".*"
    # How often it strikes; -1: always.
    times: int = 1
    # How many matching requests pass first.
    skip: int = 0
    status: int = 500
    body: str = '{"error": "injected"}'
    headers: dict[str, str] = field(default_factory=dict)
    after: int = 0
    delay: float = 0.0

    def strikes(self, method: str, path: str) -> bool:
        """Tell whether this request is hit, and count it."""
        if not re.fullmatch(self.method, method) or not re.search(self.path, path) or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True

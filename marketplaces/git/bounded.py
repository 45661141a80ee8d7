"""The way out for something that has to be over at a certain time."""

import time
from dataclasses import dataclass, field

from skillport.errors import SkillportError
from skillport.outbound import Answer, Outbound


class OutOfTime(SkillportError):
    code = "check_too_slow"
    status = 502
    message = "The git host took too long. Try again; if this stays, look at the host's status."


@dataclass(frozen=True, kw_only=True)
class BoundedOutbound(Outbound):
    """Like `Outbound`, until `ends_at` (of `time.monotonic`); remembers the headers of the newest answer."""

    ends_at: float
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, url: str, *, deadline_seconds: float, **more: object) -> Answer:
        """Make a request that ends in time. Raises `OutOfTime` when there is none left, and what `Outbound` raises."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise OutOfTime
        answer = super().request(method, url, deadline_seconds=min(deadline_seconds, left), **more)  # type: ignore[arg-type]
        self.headers.clear()
        self.headers.update(answer.headers)
        return answer

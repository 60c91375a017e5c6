"""What a page shows, as the page's address says it: it outlives a reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import get_args

from connectors.mongo_flagged import Choice
from console.desk import State

STATES: dict[State, str] = {
    "open": "Not reviewed",
    "reviewed": "Reviewed",
    "all": "All",
}


@dataclass(frozen=True, slots=True)
class Sitting:
    """Which recordings are gone through, and which one is looked at.

    Attributes
    ----------
    id
        The result's; None for none in particular.
    """

    choice: Choice = field(default_factory=Choice)
    state: State = "open"
    id: str | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Sitting:
        """Return what the parameters of an address say; what is unknown is ignored."""
        names = Choice.__dataclass_fields__
        choice = Choice(**{name: parameters.get(name) or None for name in names})
        asked = parameters.get("state")
        states: tuple[State, ...] = get_args(State)
        state = next((one for one in states if one == asked), states[0])
        return cls(choice, state, parameters.get("id") or None)

    def parameters(self) -> dict[str, str]:
        """Return it as the parameters of an address."""
        given = {**asdict(self.choice), "state": self.state, "id": self.id}
        return {name: value for name, value in given.items() if value is not None}

    def at(self, id: str | None) -> Sitting:
        """Return the sitting with another recording."""
        return replace(self, id=id)

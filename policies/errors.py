"""Every error the rules raise. A denial is a value, not an error."""

from __future__ import annotations


class PolicyError(Exception):
    """Raised when a policy cannot be used as it stands; it names the file, the place and what to do."""

    def __init__(self, file: str, place: str, fault: str) -> None:
        super().__init__(f"{file}, {place}: {fault}")
        self.file, self.place, self.fault = file, place, fault

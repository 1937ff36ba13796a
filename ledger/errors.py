"""Every error the ledger raises. A "no" that people should read is a value; these are faults."""

from __future__ import annotations


class LedgerError(Exception):
    """Raised when the ledger cannot do what was asked. Root of every error of this folder."""

    def __init__(self, detail: str = "") -> None:
        message = (self.__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{message} ({detail})" if detail else message)
        self.detail = detail


class NotCanonicalError(LedgerError):
    """Raised when a value lies outside what an entry may hold: floats, wide integers, non-ASCII keys, naive times."""


class MalformedError(LedgerError):
    """Raised when bytes are not what formatting would have produced."""


class ProofError(LedgerError):
    """Raised when an inclusion or consistency proof has the wrong shape or leads to another root."""


class CheckpointError(LedgerError):
    """Raised when a checkpoint is malformed, or its signature is not by the expected key."""


class VersionConflictError(LedgerError):
    """Raised when a stream moved since it was read; read again and decide again."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream} is at version {actual}, expected {expected}")
        self.stream, self.expected, self.actual = stream, expected, actual


class UnlawfulError(LedgerError):
    """Raised when an entry may not follow the history of its stream."""

    def __init__(self, detail: str = "", *, seq: int | None = None) -> None:
        super().__init__(detail)
        self.seq = seq
        """The entry, where it is another than the one at hand."""


class ReadOnlyError(LedgerError):
    """Raised when the ledger cannot be written: a read-only database, a full disk, or a head behind its witnesses."""


class DiskLowError(ReadOnlyError):
    """Raised when the ledger's disk is almost full: nothing new is entered, so that endings still can be."""


class BusyError(LedgerError):
    """Raised when the ledger's lock could not be had in time; nothing was written."""


class TamperedError(LedgerError):
    """Raised when stored bytes, places or leaf hashes disagree with each other."""

    def __init__(self, seq: int, fault: str) -> None:
        super().__init__(f"entry {seq}: {fault}")
        self.seq, self.fault = seq, fault

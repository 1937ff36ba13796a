"""The policy in force is the one the ledger names: files that nobody adopted decide nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ledger.book import Book, Write
from ledger.nouns import Personal
from ledger.streams.house import PolicyFile, PolicyPublished
from policies.decide import Policy
from policies.errors import PolicyError
from policies.files import FILES
from policies.stock import Stock
from policies.watch import PolicySource


class PolicyInForce:
    """Returns the policy of the folder, if it is the one the ledger published last."""

    def __init__(self, source: PolicySource, book: Book) -> None:
        self._source = source
        self._book = book
        self._stock = Stock(book)

    def current(self) -> Policy:
        """Return the policy; raises PolicyError when the files are not the adopted ones.

        Right after an adoption another thread may still be building it: that is waited for, and nobody is sent away.
        """
        policy = self._source.current()
        if policy.digest != self._book.policy().digest:
            policy = self._source.newest()
        if policy.digest != self._book.policy().digest:
            fault = "they are not what was adopted; an admin runs `quartermaster policy adopt`"
            raise PolicyError("policy files", policy.digest[:12], fault)
        return self._stock.of(policy)


def source_of(folder: Path, book: Book) -> PolicySource:
    """Return the policy of `folder`; an edit that cannot be read leaves the adopted files of the ledger in force.

    A clock that could not start for a typing error would end no lease.

    Raises:
        PolicyError: the files cannot be used, and nothing that can was adopted.
    """
    return PolicySource(folder, lambda: adopted(book))


def adopted(book: Book) -> Policy | None:
    """Return the policy in force from the ledger's copy of its files, None when that is not there or cannot be used."""
    state = book.policy()
    files = {file.name: file.text.value for file in state.files if file.text.value is not None}
    try:
        policy = Policy.of(files) if set(files) == set(FILES) else None
    except PolicyError:  # an earlier version of this program read them
        return None
    return policy if policy is not None and policy.digest == state.digest else None


def adopt(book: Book, policy: Policy, *, actor: str, why: str) -> None:
    """Enter `policy` as the one in force, with the full bytes of its files beside the leaf."""
    files = tuple(
        PolicyFile(name=name, sha256=hashlib.sha256(text.encode()).hexdigest(), text=Personal(text))
        for name, text in sorted(policy.files.items())
    )
    entry = PolicyPublished(digest=policy.digest, files=files, why=why)
    book.append(Write(stream="policy", expected=book.policy().version, entries=(entry,), actor=actor))

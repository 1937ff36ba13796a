"""What a decision rests on: versions read before its facts were, and insisted on when it is written.

A halt, a new policy or another request of the same person that lands in between makes the write a conflict: it is
read again and decided again, and nothing slips between check and act.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.book import Book, Write
from ledger.nouns import AdapterForm, DeployForm, Form
from ledger.streams import halt
from ledger.streams.halt import Halts
from ledger.streams.holding import Claimed, stream_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What was read: the halts, and the versions of the policy, of what `subject` holds and of the model in question."""

    subject: str
    halts: Halts
    policy: int
    holding: int
    models: tuple[tuple[str, int], ...] = ()
    """The stream of the model, where there is one, and its version."""

    @classmethod
    def read(cls, book: Book, subject: str, form: Form | None = None) -> Grounds:
        """Return the grounds as they are now; read them before any fact that is decided on.

        Args:
            form: what is decided about; what a deployment by digest rests on stands in the stream of its model.
        """
        return cls(
            subject=subject,
            halts=book.halts(),
            policy=book.policy().version,
            holding=book.holding(subject).version,
            models=_models_of(book, form),
        )

    def unmoved(self, actor: str) -> list[Write]:
        """Return the writes that insist on the halts, the policy and the model; they enter nothing."""
        return [
            Write(stream=halt.STREAM, expected=self.halts.version, entries=(), actor=actor),
            Write(stream="policy", expected=self.policy, entries=(), actor=actor),
            *(Write(stream=stream, expected=seen, entries=(), actor=actor) for stream, seen in self.models),
        ]

    def unclaimed(self, actor: str) -> list[Write]:
        """Return `unmoved`, insisting also that no other request of the subject was submitted or approved since."""
        stream = stream_of(self.subject)
        return [*self.unmoved(actor), Write(stream=stream, expected=self.holding, entries=(), actor=actor)]

    def claim(self, number: int, actor: str) -> list[Write]:
        """Return `unmoved`, and the claim that makes the subject's requests take turns."""
        stream, entry = stream_of(self.subject), Claimed(request=number)
        return [*self.unmoved(actor), Write(stream=stream, expected=self.holding, entries=(entry,), actor=actor)]


def _models_of(book: Book, form: Form | None) -> tuple[tuple[str, int], ...]:
    if not isinstance(form, DeployForm | AdapterForm) or not form.digest:
        return ()
    return ((f"model:{form.model}", book.model(form.model).version),)

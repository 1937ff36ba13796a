"""What this person may do, asked of the policy in force: for help, menus and Home."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bot.blocks.help import May
from bot.intake.adapters import adapter_form
from bot.manners.base import Manners
from ledger.nouns import Access, AdapterForm, DataForm, DeployForm, Form, GpuForm, KeyForm
from policies.catalogue import ENDPOINT, Catalogue
from policies.decide import SEAT_WORDS

HOUR: Final = 3600


class Knowing(Manners):
    """Asks the policy with the smallest request of each kind."""

    def may(self, slack: str) -> May:
        """Return what a person may do."""
        policy, person = self.desk.policy(), f"user:{slack}"
        kinds = tuple(kind for kind, forms in _SMALLEST.items() if self._any(slack, forms(policy.catalogue)))
        forms = [form for make in _SMALLEST.values() for form in make(policy.catalogue)]
        decides = any(
            policy.may_vote(person, seat, policy.catalogue.owner(form.resource) or "", form) is not None
            for form in forms
            for seat in SEAT_WORDS
        )
        revokes = any(policy.may(person, "revoke", f"gpu:{pool}") for pool in policy.catalogue.pools)
        exports = policy.may(person, "export", "desk:audit") is not None
        halts = policy.may(person, "halt", "desk:audit") is not None
        return May(
            ask=kinds,
            adapt=self._adapter(slack),
            decide=decides,
            revoke=revokes,
            export=exports,
            halt=halts,
            doors=self.desk.may_revert(slack),
        )

    def _adapter(self, slack: str) -> tuple[str, ...]:
        """Return an adapter, its model and an environment where this person may have it loaded; empty for none."""
        forms = _adapters(self.desk.policy().catalogue)
        found = next((form for form in forms if self.desk.preview(slack, form).decision.permitted), None)
        return (found.adapter, found.model, found.environment) if found is not None else ()

    def _any(self, slack: str, forms: Iterator[Form]) -> bool:
        return any(self.desk.preview(slack, form).decision.permitted for form in forms)


def _gpus(catalogue: Catalogue) -> Iterator[GpuForm]:
    for name, pool in catalogue.pools.items():
        for gpu_type in pool.types[:1]:
            yield GpuForm(resource=f"gpu:{name}", gpu_type=gpu_type, gpus=1, duration_s=HOUR)


def smallest_of(catalogue: Catalogue, text: str) -> GpuForm | None:
    """Return the smallest request of the one pool that `text` names, None when it names none or several."""
    words = set(re.findall(r"[\w-]+", text.casefold()))
    found = [form for form in _gpus(catalogue) if form.resource.removeprefix("gpu:") in words]
    return found[0] if len(found) == 1 else None


def _data(catalogue: Catalogue) -> Iterator[Form]:
    for name in catalogue.datasets:
        yield DataForm(resource=f"data:{name}", access=Access.READ, duration_s=HOUR)


def _deployments(catalogue: Catalogue) -> Iterator[Form]:
    for model in catalogue.models.values():
        for place in catalogue.environments:
            for version in model.versions[-1:]:
                resource = f"deploy:{model.name}@{place}"
                digest = model.digest(version)
                yield DeployForm(resource=resource, model=model.name, version=version, environment=place, digest=digest)


def _keys(catalogue: Catalogue) -> Iterator[Form]:
    for model in catalogue.models.values():
        for place in catalogue.environments if model.serving is not None else ():
            yield KeyForm(resource=f"{ENDPOINT}:{model.name}@{place}", tokens=1, duration_s=HOUR)


def _adapters(catalogue: Catalogue) -> Iterator[AdapterForm]:
    """Yield the newest adapter of each model, beside what answers in each environment."""
    for model in catalogue.models.values():
        newest = model.known.adapters[-1:] if model.known is not None else ()
        forms = (
            adapter_form(model, place, each.version, load=True) for each in newest for place in catalogue.environments
        )
        yield from (form for form in forms if isinstance(form, AdapterForm))


_SMALLEST: Final = {"gpu": _gpus, "data": _data, "deploy": _deployments, "key": _keys}

"""The law of models by SPEC.md section 6 alone; a part of second_verifier.py, and like it imports nothing of ours."""

from __future__ import annotations

import re

DIGEST = re.compile("sha256:[0-9a-f]{64}")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}", re.ASCII)


def need(holds, what):
    if not holds:
        raise ValueError(what)


class Models:
    """Every `model:` stream: what was registered, evaluated and routed, and what drifts."""

    def __init__(self):
        self.known = {}

    def step(self, entry, body, requests):
        """One entry of a model; `requests` are the states by stream."""
        name = entry["stream"].partition(":")[2]
        fresh = {"means": {}, "ever": set(), "failed": {}, "routed": {}, "orders": set(), "drifts": set()}
        fresh |= {"named": {}, "named_ever": set(), "loaded": {}, "changed": set()}
        model = self.known.setdefault(name, fresh)
        kind = entry["kind"]
        if kind == "model.registered":
            return self._registered(model, body)
        if kind == "model.routed":
            return self._routed(name, model, body, requests)
        if kind == "model.adapter-registered":
            return self._adapter(model, body)
        if kind == "model.adapted":
            return self._adapted(name, model, body, requests)
        need(body["digest"] in {digest for _, digest in model["ever"]}, "those weights are not registered")
        if kind == "model.evaluated":
            return self._evaluated(name, model, body, requests)
        if kind == "model.profiled":
            return need(body["figures"], "a profile has figures")
        drift = (body["digest"], body["environment"], body["figure"])
        need((drift in model["drifts"]) is (kind == "model.recovered"), "a drift stands once")
        need(kind in {"model.drifted", "model.recovered"}, "no kind of a model")
        return model["drifts"].symmetric_difference_update({drift})

    def check_form(self, form):
        """A form with a digest names a version, or an adapter, that means, or meant, these bytes."""
        if form["form"] == "adapter":
            model = self.known.get(form["model"])
            need(model and (form["adapter"], form["digest"]) in model["named_ever"], "no such adapter")
            need(form["base"] in {digest for _, digest in model["ever"]}, "beside nothing")
        elif "digest" in form:
            need(form["form"] == "deploy" and form["digest"], "a digest of nothing")
            model = self.known.get(form["model"])
            need(model and (form["version"], form["digest"]) in model["ever"], "never registered")

    def check_done(self, number, form):
        """A deployment by digest was routed before it is done, and an adapter entered."""
        if form["form"] == "adapter":
            model = self.known.get(form["model"])
            need(model and number in model["changed"], "no adapter was changed")
        elif "digest" in form:
            model = self.known.get(form["model"])
            need(model and (form["environment"], number) in model["orders"], "routed nowhere")

    def _adapter(self, model, body):
        name, digest = body["adapter"], body["digest"]
        need(VERSION.fullmatch(name) and name != "latest", "no name of an adapter")
        need(DIGEST.fullmatch(digest) and body["size"] > 0, "no adapter")
        need(model["named"].get(name) != digest, "means it already")
        model["named"][name] = digest
        model["named_ever"].add((name, digest))

    def _adapted(self, name, model, body, requests):
        request = requests.get(f"request:{body['request']}")
        need(request and request["is"] == "starting", "is not being carried out")
        form = request["form"]
        wanted = f"deploy:{name}@{body['environment']}"
        need(form["form"] == "adapter" and form["resource"] == wanted, "of something else")
        need(all(form[key] == body[key] for key in ("adapter", "digest", "base")), "another adapter")
        need(form["load"] is body["loaded"], "the other way round")
        need((body["adapter"], body["digest"]) in model["named_ever"], "not registered")
        where, standing = (body["environment"], body["base"], body["adapter"]), model["loaded"]
        if body["loaded"]:
            now = (model["routed"].get(body["environment"]) or [[]])[-1]
            need(body["base"] in [share["digest"] for share in now], "answers not there")
            need(where not in standing, "loaded already")
            standing[where] = body["digest"]
        else:
            need(standing.pop(where, None) == body["digest"], "not loaded")
        model["changed"].add(body["request"])

    def _registered(self, model, body):
        version, digest = body["version"], body["digest"]
        need(VERSION.fullmatch(version) and version != "latest", "no name of a version")
        need(DIGEST.fullmatch(digest) and body["size"] > 0, "no weights")
        need(model["means"].get(version) != digest, "means them already")
        model["means"][version] = digest
        model["ever"].add((version, digest))

    def _evaluated(self, name, model, body, requests):
        need(DIGEST.fullmatch(body["suite"]), "no suite")
        need(0 <= body["failed"] <= body["cases"] and body["cases"] > 0, "no cases")
        need(0 <= body["p50_ms"] <= body["p95_ms"] and body["tokens"] >= 0, "no figures")
        if body["request"] is not None:
            need(ordered(name, body, requests)["digest"] == body["digest"], "ordered other weights")
        model["failed"][body["digest"]] = body["failed"]

    def _routed(self, name, model, body, requests):
        shares, before = body["shares"], model["routed"].setdefault(body["environment"], [])
        digests = [share["digest"] for share in shares]
        need(body["environment"] and sum(share["percent"] for share in shares) == 100, "100 percent of something")
        need(all(share["percent"] > 0 for share in shares) and len(set(digests)) == len(digests), "no shares")
        need(all((share["version"], share["digest"]) in model["ever"] for share in shares), "not registered")
        if body["request"] is None:
            need(shares in before, "no way back")
        else:
            need(ordered(name, body, requests)["digest"] in digests, "ordered other weights")
            served = {share["digest"] for each in before for share in each}
            passed = all(each in served or model["failed"].get(each) == 0 for each in digests)
            need(passed or not model["failed"], "has not passed")
        before.append(shares)
        model["orders"].add((body["environment"], body["request"]))


def ordered(name, body, requests):
    """The form of the deployment that an entry names, while it is being carried out."""
    request = requests.get(f"request:{body['request']}")
    need(request and request["is"] == "starting", "is not being carried out")
    form = request["form"]
    need(form["form"] == "deploy" and form["resource"] == f"deploy:{name}@{body['environment']}", "of something else")
    return {"digest": ""} | form

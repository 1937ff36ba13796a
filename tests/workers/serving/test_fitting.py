"""Adapters beside versions: loaded by order alone, again after a restart, and gone once they are taken back."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
from serving_site import SERVING, tensors

from ledger.errors import BusyError
from workers.serving.adapters import AdapterOrder, AdapterOrders
from workers.serving.asking import adapters
from workers.serving.fitting import LONGEST_S
from workers.serving.orders import Phase, Strategy

PLACE, TONE = "fraud-detector@production", "fraud-detector:legal-tone@production"
WITH = replace(SERVING, adapters=True, arguments=("--max-lora-rank", "8"))


def adapter(site, name="legal-tone", rank=8):
    """Take an adapter in and return its digest."""
    folder = site.home / "sources" / name
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(tensors(name))
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank}))
    return site.store.take_in(folder).digest


def put(site, order, key="b", *, digest="", load=True, **rest):
    """Order an adapter beside the version of an order, as the executor would."""
    made = AdapterOrder(
        **{
            "key": key * 32,
            "generation": 1,
            "request": 1002,
            "line": order.line,
            "adapter": "legal-tone",
            "digest": digest or adapter(site),
            "load": load,
            "at": order.at + 1,
            **rest,
        }
    )
    AdapterOrders(site.folder).put(made)
    return made


def state(site, made):
    return AdapterOrders(site.folder).state(made)


def loaded(site):
    return [sorted(adapters(server.port, server.key) or {}) for server in site.alive()]


def serving(site, **rest):
    order = site.order(serving=WITH, **rest)
    site.until_phase(order, Phase.READY)
    order = site.switch(order)
    site.until_phase(order, Phase.SERVING)
    return order


def kill(site):
    """Kill every server, and wait until the keeper has seen it."""
    for server in site.alive():
        os.kill(server.pid, signal.SIGKILL)
    site.until(lambda: not any(server.ready for server in site.servers()))


def test_an_adapter_is_loaded_into_every_server_and_callers_are_sent_to_it(site):
    order = serving(site, replicas=2)
    made = put(site, order)
    site.until(lambda: state(site, made).done)
    assert loaded(site) == [[made.served], [made.served]]
    assert [(row.served, row.percent) for row in site.rows(TONE)] == [(made.served, 50), (made.served, 50)]
    assert 1002 in site.nudged
    said = {row.served: site.ask(row)["choices"][0]["message"]["content"] for row in (*site.rows(), *site.rows(TONE))}
    assert len(set(said.values())) == 2


def test_a_server_that_is_started_again_gets_its_adapters_again(site):
    made = put(site, serving(site))
    site.until(lambda: state(site, made).done)
    kill(site)
    site.until(lambda: loaded(site) == [[made.served]] and site.rows(TONE))


def test_nobody_is_sent_to_an_adapter_that_its_server_does_not_have_yet(site):
    made = put(site, serving(site))
    site.until(lambda: state(site, made).done)
    kill(site)
    assert (site.rows(TONE), len(site.rows())) == ((), 1)


def test_an_adapter_is_named_as_away_while_its_server_is_started_again_and_not_before_it_was_loaded(site):
    made = put(site, serving(site))
    site.keeper.tick()
    assert (TONE in site.table().routes) is state(site, made).done
    site.until(lambda: state(site, made).done)
    kill(site)
    assert site.table().routes[TONE] == ()
    site.new_keeper().tick()
    assert TONE in site.table().routes
    AdapterOrders(site.folder).put(replace(made, wanted=False))
    site.keeper.tick()
    assert TONE not in site.table().routes


def test_another_keeper_finds_the_adapters_that_are_loaded(site):
    made = put(site, serving(site))
    site.until(lambda: state(site, made).done)
    before = site.table()
    site.new_keeper().tick()
    assert site.table() == before


@pytest.mark.parametrize("by", ["an order to unload", "taking the order back"])
def test_an_adapter_is_gone_from_servers_and_routes_once_its_order_stands_no_more(site, by):
    order = serving(site)
    made = put(site, order)
    site.until(lambda: state(site, made).done)
    if by == "an order to unload":
        off = put(site, order, "c", digest=made.digest, load=False, at=made.at + 1)
        site.until(lambda: state(site, off).done)
    else:
        AdapterOrders(site.folder).put(replace(made, wanted=False))
    site.until(lambda: loaded(site) == [[]] and TONE not in site.table().routes)


def test_a_version_beside_it_has_none_of_it_and_the_way_back_has_it_again(site):
    old = serving(site)
    made = put(site, old)
    site.until(lambda: site.rows(TONE))
    new = site.order("3.2.1", "d", serving=WITH)
    site.until_phase(new, Phase.READY)
    new = site.switch(new)
    site.until(lambda: TONE not in site.table().routes)
    assert sorted(loaded(site)) == [[], [made.served]]  # the old one is kept ready, with what it has
    site.switch(old)
    site.until(lambda: site.rows(TONE))


def test_a_canary_without_it_leaves_its_calls_with_the_version_that_has_it(site):
    made = put(site, serving(site))
    site.until(lambda: state(site, made).done)
    new = site.order("3.2.1", "d", serving=WITH, strategy=Strategy.CANARY, percent=10)
    site.until_phase(new, Phase.READY)
    site.switch(new, percent=10)
    site.until(lambda: len(site.rows()) == 2)
    assert [(row.digest, row.percent) for row in site.rows(TONE)] == [(made.line.digest, 100)]


def test_an_adapter_whose_bytes_were_changed_in_the_store_is_not_loaded(site):
    order, digest = serving(site), adapter(site)
    file = site.store.load(digest).path / "adapter_model.safetensors"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    made = put(site, order, digest=digest)
    site.until(lambda: state(site, made).why)
    assert state(site, made).why.startswith("The adapter cannot be used: adapter_model.safetensors of sha256:")
    assert loaded(site) == [[]]


def test_an_adapter_of_too_high_a_rank_is_refused_in_words(site):
    made = put(site, serving(site), digest=adapter(site, rank=64))
    site.until(lambda: state(site, made).why)
    assert state(site, made).why == "Its rank is higher than the servers of this model allow (--max-lora-rank)."


def test_servers_that_were_started_without_adapters_say_so(site):
    order = site.order()
    site.until_phase(order, Phase.READY)
    order = site.switch(order)
    made = put(site, order)
    site.until(lambda: state(site, made).why)
    assert state(site, made).why.startswith("The servers of this version were started without adapters.")


def test_a_server_that_dies_in_the_middle_has_it_once_it_is_back(site):
    order = serving(site)
    for server in site.alive():
        os.kill(server.pid, signal.SIGKILL)
    made = put(site, order)
    site.until(lambda: state(site, made).done)
    assert loaded(site) == [[made.served]]
    assert not state(site, made).why


def test_what_no_order_named_is_left_where_it_is_and_nobody_is_sent_to_it(site):
    made = put(site, serving(site))
    site.until(lambda: state(site, made).done)
    (server,) = site.alive()
    path = str(site.store.load(made.digest).path)
    body = {"lora_name": "smuggled", "lora_path": path}
    headers = {"authorization": f"Bearer {server.key}"}
    httpx.post(f"{server.url}/v1/load_lora_adapter", json=body, headers=headers).raise_for_status()
    site.keeper.tick()
    assert loaded(site) == [[made.served, "smuggled"]]
    assert sorted(site.table().routes) == [TONE, PLACE]


def test_another_adapter_under_the_name_of_an_ordered_one_is_sent_nobody(site):
    made = put(site, serving(site))
    site.until(lambda: site.rows(TONE))
    (server,) = site.alive()
    path = str(site.store.load(adapter(site, "smuggled")).path)
    body = {"lora_name": made.served, "lora_path": path, "load_inplace": True}
    headers = {"authorization": f"Bearer {server.key}"}
    httpx.post(f"{server.url}/v1/load_lora_adapter", json=body, headers=headers).raise_for_status()
    site.keeper.tick()
    assert site.rows(TONE) == ()


def spoil(site, digest):
    """Change a byte of an adapter in the store, and return what mends it."""
    file = site.store.load(digest).path / "adapter_model.safetensors"
    right = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(right[:-1] + b"!")
    return lambda: file.write_bytes(right)


@pytest.fixture
def lost(site):
    """An adapter that was loaded, whose bytes are changed, and whose server was started again."""
    order = serving(site)
    made = put(site, order)
    site.until(lambda: state(site, made).done)
    mend = spoil(site, made.digest)
    kill(site)
    site.until(lambda: site.record.lost)
    return SimpleNamespace(order=order, made=made, mend=mend)


def test_an_adapter_that_cannot_be_loaded_again_is_reported_once(site, lost):
    for _ in range(5):
        site.ahead += LONGEST_S
        site.keeper.tick()
    site.new_keeper()
    for _ in range(5):
        site.keeper.tick()
        time.sleep(0.05)
    assert site.record.lost == [("fraud-detector@production", "legal-tone", 1, 0)]
    assert state(site, lost.made).lost.startswith("The adapter cannot be used: adapter_model.safetensors of sha256:")
    assert state(site, lost.made).done
    assert site.record.found == []


def test_who_asks_for_a_lost_adapter_is_not_told_to_come_back(site, lost):
    site.keeper.tick()
    assert TONE not in site.table().routes


def test_an_adapter_that_is_mended_is_loaded_and_reported_as_back(site, lost):
    lost.mend()
    site.ahead += LONGEST_S
    site.until(lambda: site.record.found)
    assert site.record.found == [("fraud-detector@production", "legal-tone", 1)]
    assert loaded(site) == [[lost.made.served]]
    site.until(lambda: site.rows(TONE))


def test_a_lost_adapter_that_is_unloaded_is_missing_no_more(site, lost):
    off = put(site, lost.order, "c", digest=lost.made.digest, load=False, at=lost.made.at + 1)
    site.until(lambda: state(site, off).done)
    site.until(lambda: site.record.found)
    assert site.record.found == [("fraud-detector@production", "legal-tone", 0)]


def test_what_the_ledger_did_not_take_is_reported_at_the_next_look(site):
    made = put(site, serving(site))
    site.until(lambda: state(site, made).done)
    spoil(site, made.digest)
    site.record.fails = BusyError()
    kill(site)
    site.until(lambda: site.alive() and all(server.ready for server in site.servers()))
    for _ in range(20):
        site.keeper.tick()
        time.sleep(0.05)
    assert (site.record.lost, state(site, made).lost) == ([], "")
    site.record.fails = None
    site.until(lambda: site.record.lost)


def test_it_is_tried_again_ever_more_rarely(site, lost):
    tries = []
    change = site.keeper._jobs.adapter

    def counted(*order, **how):
        found = change(*order, **how)
        if found is not None:
            tries.append(site.ahead)
        return found

    site.keeper._jobs.adapter = counted
    for _ in range(200):
        site.ahead += 1
        site.keeper.tick()
        time.sleep(0.01)
    assert 2 <= len(tries) <= 5  # after 10 s, 20 s more, 40 s more, 80 s more
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert all(longer > 1.5 * gap for gap, longer in itertools.pairwise(gaps))


def test_a_new_order_is_tried_at_once_whatever_happened_to_the_one_before(site):
    order, digest = serving(site), adapter(site)
    mend = spoil(site, digest)
    made = put(site, order, digest=digest)
    site.until(lambda: state(site, made).why)
    AdapterOrders(site.folder).put(replace(made, wanted=False))
    mend()
    again = put(site, order, "c", digest=digest)
    site.until(lambda: state(site, again).done or state(site, again).why)
    assert state(site, again).done

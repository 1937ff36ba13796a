"""Versions by digest: the same bytes are the same version, what can hold code stays outside, what changed is refused."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.models import safetensors
from workers.models.errors import WeightsError
from workers.models.weights import DIGEST, WeightStore


def tensors(**held):
    """Return the bytes of a safetensors file with these tensors of bytes."""
    header, data = {}, b""
    for name, body in held.items():
        header[name] = {"dtype": "U8", "shape": [len(body)], "data_offsets": [len(data), len(data) + len(body)]}
        data += body
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "churn-2.1.0"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(tensors(a=b"weights", b=bytes(64)))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text('{"version": "1.0", "auto_map": 3}')
    return folder


@pytest.fixture
def store(tmp_path):
    return WeightStore(tmp_path / "store")


def changed(held, name, data):
    """Write into the store as whoever owns its disk could."""
    held.path.chmod(0o755)
    (held.path / name).unlink(missing_ok=True)
    (held.path / name).write_bytes(data)


def test_a_version_is_named_by_its_bytes_wherever_they_came_from(store, source, tmp_path):
    first = store.take_in(source)
    copy = shutil.copytree(source, tmp_path / "another name")
    os.utime(copy / "config.json", (1, 1))
    assert DIGEST.fullmatch(first.digest)
    assert store.take_in(copy).digest == first.digest
    assert store.held() == (first.digest,)
    assert store.load(first.digest).path == first.path
    assert first.size == sum(path.stat().st_size for path in source.iterdir())
    (copy / "config.json").write_text('{"model_type":"llama"}')
    assert store.take_in(copy).digest != first.digest


def test_what_lies_in_the_store_can_only_be_read(store, source):
    held = store.take_in(source)
    modes = {path.stat().st_mode & 0o777 for path in (held.path, *held.path.iterdir(), held.path.parent)}
    assert modes <= {0o444, 0o555}


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling_churn.py", "weights.pkl", "README.md", "x.so", ".git"])
def test_what_could_run_code_stays_outside(store, source, name):
    before = store.take_in(source).digest
    (source / name).write_bytes(b"import os")
    held = store.take_in(source)
    assert held.digest == before
    assert held.left_out == (name,)
    assert not (held.path / name).exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_configuration_that_names_code_of_its_own_is_refused(store, source, name):
    (source / name).write_text('{"auto_map": {"AutoModel": "modeling_churn.Churn"}}')
    with pytest.raises(WeightsError, match=f"{name} asks for code"):
        store.take_in(source)
    assert list((source.parent / "store").iterdir()) == []


def test_pickles_alone_are_no_version(store, source):
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="no safetensors file"):
        store.take_in(source)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("config.json", "{", "config.json is no JSON"),
        ("config.json", "[]", "no JSON object"),
        ("config.json", "[" * 100_000, "config.json is no JSON"),
        (
            "model.safetensors.index.json",
            '{"weight_map": {"a": "model-2.safetensors"}}',
            "model-2.safetensors is missing",
        ),
        ("model.safetensors.index.json", "{}", "no weight_map"),
    ],
)
def test_a_version_that_is_not_whole_is_refused_with_the_file(store, source, name, text, why):
    (source / name).write_text(text)
    with pytest.raises(WeightsError, match=why):
        store.take_in(source)
    assert store.held() == ()


def test_missing_sources_and_configurations_are_said(store, source, tmp_path):
    with pytest.raises(WeightsError, match="there is no directory nowhere"):
        store.take_in(tmp_path / "nowhere")
    (source / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        store.take_in(source)


def test_a_link_may_lead_within_and_not_out(store, source, tmp_path):
    outside = tmp_path / "blobs"
    outside.mkdir()
    shutil.move(source / "config.json", outside / "abc")
    (source / "config.json").symlink_to(outside / "abc")
    with pytest.raises(WeightsError, match="leads out"):
        store.take_in(source)
    held = store.take_in(source, within=tmp_path)
    assert not (held.path / "config.json").is_symlink()


# -- what changed in the store --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("model.safetensors", tensors(a=b"weighty", b=bytes(64)), "model.safetensors of sha256:.* was changed"),
        ("config.json", b'{"model_type": "lambo"}', "config.json of sha256:.* was changed"),
        ("modeling.py", b"import os", "one file too many: modeling.py"),
        ("vocab.json", b"{}", "one file too many: vocab.json"),
    ],
)
def test_what_is_not_what_its_digest_says_is_refused_before_it_is_loaded(store, source, name, data, why):
    held = store.take_in(source)
    changed(held, name, data)
    with pytest.raises(WeightsError, match=why):
        store.load(held.digest)


def test_a_file_that_is_gone_and_a_list_that_was_changed_are_refused(store, source):
    held = store.take_in(source)
    held.path.chmod(0o755)
    (held.path / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"misses tokenizer\.json"):
        store.load(held.digest)
    manifest = held.path.parent / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes().replace(b"tokenizer", b"tokenized"))
    with pytest.raises(WeightsError, match=r"list of files .* was changed"):
        store.load(held.digest)


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "latest", "sha256:../../etc", "", "sha256:" + "A" * 64])
def test_a_version_that_is_not_there_is_no_version(store, digest):
    with pytest.raises(WeightsError, match=r"not in the store|is no digest"):
        store.load(digest)


# -- room, crashes, and two at once ---------------------------------------------------------------------------------


def test_without_room_nothing_is_copied(store, source, monkeypatch):
    monkeypatch.setattr("workers.models.weights.ROOM_LEFT", 2**60)
    with pytest.raises(WeightsError, match="no room for"):
        store.take_in(source)
    assert list((source.parent / "store").iterdir()) == []


def test_progress_is_told_in_bytes(store, source):
    heard = []
    held = store.take_in(source, progress=lambda done, whole: heard.append((done, whole)))
    assert heard[-1] == (held.size, held.size)
    assert sorted(heard) == heard


def die_half_way(store, source):
    store.take_in(source, progress=lambda *_: os._exit(9))


def take(store, source):
    assert DIGEST.fullmatch(store.take_in(source).digest)


def test_what_a_crash_left_is_swept_and_what_somebody_copies_is_not(store, source):
    spawn = multiprocessing.get_context("spawn")
    dead = spawn.Process(target=die_half_way, args=(store, source))
    dead.start()
    dead.join(30)
    folder = source.parent / "store"
    assert [path.name[:6] for path in folder.iterdir()] == [".part-"]
    seen = []
    store.take_in(source, progress=lambda *_: (WeightStore(folder).take_in(source), seen.append(len(store.held()))))
    assert seen[0] == 1
    assert [path.name for path in folder.iterdir()] == [store.held()[0].replace(":", "-")]


def test_the_same_version_from_two_processes_is_one(store, source):
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=take, args=(store, source)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(30)
        assert each.exitcode == 0
    assert len(list((source.parent / "store").iterdir())) == 1


# -- the head of a safetensors file ---------------------------------------------------------------------------------


def test_a_whole_file_tells_its_tensors(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(tensors(a=b"12", b=b"", c=b"3"))
    assert safetensors.check(path) == 3


@given(cut=st.integers(0, 200))
def test_a_file_that_ends_early_is_refused_wherever_it_ends(tmp_path_factory, cut):
    whole = tensors(a=b"12345", b=bytes(20))
    path = tmp_path_factory.mktemp("cut") / "m.safetensors"
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(WeightsError):
        safetensors.check(path)


@pytest.mark.parametrize(
    ("header", "rest"),
    [
        (b"[1]", b""),
        (b"{", b""),
        (b'{"a": {"data_offsets": [0, 4]}}', b"123"),
        (b'{"a": {"data_offsets": [0, 4]}}', b"12345"),
        (b'{"a": {"data_offsets": [1, 4]}}', b"1234"),
        (b'{"a": {"data_offsets": [0, 3]}, "b": {"data_offsets": [2, 4]}}', b"1234"),
        (b'{"a": {"data_offsets": [0, -4]}}', b""),
        (b'{"a": {"data_offsets": [false, true]}}', b"1"),
        (b'{"a": {"data_offsets": [0]}}', b""),
        (b'{"a": 3}', b""),
    ],
)
def test_a_head_that_lies_is_refused(tmp_path, header, rest):
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + rest)
    with pytest.raises(WeightsError):
        safetensors.check(path)


def test_a_header_that_claims_to_be_huge_is_not_read(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(WeightsError, match="no header"):
        safetensors.check(path)

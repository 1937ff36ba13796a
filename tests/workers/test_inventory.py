# ruff: noqa: N802 (the names are the library's)
"""Which GPUs there are, asked of a small stand-in for NVIDIA's library, and of the real one where there is a driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.streams.pool import Device
from policies.catalogue import load_catalogue
from workers.inventory import devices_of, real_devices, type_of

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "policies")


class FakeNvml:
    """As much of `pynvml` as is asked for: (name, UUID) by index."""

    class NVMLError(Exception):
        """As the library raises it."""

    def __init__(self, *gpus, driver=True, breaks=False):
        self.gpus, self.driver, self.breaks, self.calls = gpus, driver, breaks, []

    def nvmlInit(self):
        self.calls.append("init")
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlShutdown(self):
        self.calls.append("shutdown")

    def nvmlDeviceGetCount(self):
        if self.breaks:
            raise self.NVMLError("GPU is lost")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetName(self, handle):
        return self.gpus[handle][0]

    def nvmlDeviceGetUUID(self, handle):
        return self.gpus[handle][1]


def test_real_devices_are_known_by_their_uuid():
    nvml = FakeNvml(("NVIDIA H100 80GB HBM3", "GPU-7f3a"), ("NVIDIA H100 80GB HBM3", "GPU-9c1e"))
    assert real_devices(CATALOGUE, nvml) == (
        Device(id="GPU-7f3a", gpu_type="h100-80gb", label="gpu:0"),
        Device(id="GPU-9c1e", gpu_type="h100-80gb", label="gpu:1"),
    )
    assert nvml.calls == ["init", "shutdown"]


def test_a_gpu_that_the_catalogue_does_not_know_is_left_out_and_the_others_keep_their_place():
    nvml = FakeNvml(("Tesla K80", "GPU-0000"), ("NVIDIA H100 80GB HBM3", "GPU-9c1e"))
    assert real_devices(CATALOGUE, nvml) == (Device(id="GPU-9c1e", gpu_type="h100-80gb", label="gpu:1"),)


def test_without_a_driver_there_are_no_real_devices():
    assert real_devices(CATALOGUE, FakeNvml(("NVIDIA H100 80GB HBM3", "GPU-7f3a"), driver=False)) == ()


def test_a_library_that_fails_half_way_is_an_error_and_not_an_empty_pool():
    nvml = FakeNvml(breaks=True)
    with pytest.raises(FakeNvml.NVMLError):
        real_devices(CATALOGUE, nvml)
    assert nvml.calls == ["init", "shutdown"]


def test_a_pool_of_the_catalogue_never_asks_the_driver():
    nvml = FakeNvml()
    name = next(name for name, pool in CATALOGUE.pools.items() if pool.source != "nvml")
    source, devices = devices_of(CATALOGUE, name, nvml)
    assert (source, devices) == ("catalogue", CATALOGUE.devices(name))
    assert nvml.calls == []


@pytest.mark.parametrize(
    ("marks", "found"),
    [({"a": "H100"}, "a"), ({"a": "h100"}, "a"), ({"a": ""}, None), ({"a": "H100", "b": "80GB"}, None), ({}, None)],
)
def test_a_model_is_known_only_by_one_mark(marks, found):
    assert type_of("NVIDIA H100 80GB HBM3", marks) == found


def test_the_real_library_answers_as_the_stand_in_does():
    """Without a driver: none, and no error. With one: every device has a UUID."""
    import pynvml

    assert all(device.id.startswith(("GPU-", "MIG-")) for device in real_devices(CATALOGUE, pynvml))

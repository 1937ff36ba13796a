"""Which GPUs there are: from NVML when there is a driver, else from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from ledger.streams.pool import Device
from policies.catalogue import Catalogue

logger = structlog.get_logger(__name__)


def devices_of(catalogue: Catalogue, pool: str, nvml: Any = None) -> tuple[str, tuple[Device, ...]]:
    """Return (source, devices) of a pool: what the driver finds with `source = "nvml"`, none for a cluster's pool."""
    if catalogue.pools[pool].source == "nvml":
        return "nvml", real_devices(catalogue, nvml)
    return catalogue.pools[pool].source, catalogue.devices(pool)


def real_devices(catalogue: Catalogue, nvml: Any = None) -> tuple[Device, ...]:
    """Return the GPUs of this machine whose model the catalogue knows; none without a driver."""
    if nvml is None:
        import pynvml

        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        logger.info("no GPU driver", detail=str(error))
        return ()
    try:
        found = [_device(catalogue, nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    finally:
        nvml.nvmlShutdown()
    return tuple(device for device in found if device is not None)


def _device(catalogue: Catalogue, nvml: Any, index: int) -> Device | None:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    name = str(nvml.nvmlDeviceGetName(handle))
    gpu_type = type_of(name, {t: item.nvml for t, item in catalogue.gpu_types.items()})
    if gpu_type is None:
        logger.warning("a GPU that the catalogue does not know", name=name)
        return None
    return Device(id=str(nvml.nvmlDeviceGetUUID(handle)), gpu_type=gpu_type, label=f"gpu:{index}")


def type_of(name: str, marks: Mapping[str, str]) -> str | None:
    """Return the one type whose mark is in the driver's name, None when none or several are."""
    matches = [gpu_type for gpu_type, mark in marks.items() if mark and mark.lower() in name.lower()]
    return matches[0] if len(matches) == 1 else None

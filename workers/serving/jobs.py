"""What takes long and happens beside the ticks: reading every byte of weights, and asking the cases of an evaluation."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import structlog

from workers.models.errors import WeightsError
from workers.models.weights import WeightStore
from workers.serving.asking import answers, load_adapter, unload_adapter
from workers.serving.evaluating import evaluate
from workers.serving.orders import Order, Result
from workers.serving.servers import Server

logger = structlog.get_logger(__name__)

AGAIN_S: Final = 10.0
"""How long after a call that was not answered the keeper makes the next one."""
_AT_ONCE: Final = 4


class Jobs:
    """Begun once for each version and order, and asked at every tick how far they are.

    Args:
        evaluations: the folder with a file of cases for each model.
    """

    def __init__(self, store: WeightStore, evaluations: Path) -> None:
        self._store, self._evaluations = store, evaluations
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="job")
        self._loading: dict[str, Future[Path | str]] = {}
        self._asking: dict[tuple[str, int, str], Future[Result | str]] = {}
        self._changing: dict[tuple[str, str, bool], Future[str]] = {}
        self._heard: dict[str, tuple[int, int]] = {}
        self._heard_of: dict[str, tuple[float, Future[bool]]] = {}

    def weights(self, digest: str) -> Path | str | None:
        """Return where the weights are, what is wrong with them, or None while they are read.

        What is wrong is said once: whoever asks again has them read again, as they may have been mended.
        """
        job = self._loading.get(digest)
        if job is None:
            job = self._loading[digest] = self._pool.submit(self._load, digest)
        found = job.result() if job.done() else None
        if isinstance(found, str):
            del self._loading[digest]
        return found

    def evaluation(self, order: Order, server: Server) -> Result | str | None:
        """Return how an order's version did, an empty text if there are no cases, what is wrong, or None while it is asked."""
        key = (order.key, order.attempt, server.mark)
        job = self._asking.get(key)
        if job is None:
            job = self._asking[key] = self._pool.submit(self._evaluate, order, server)
        return job.result() if job.done() else None

    def answers(self, server: Server, now: float) -> bool:
        """Whether a server was heard to answer; it is asked beside the ticks, and again after a while if it did not."""
        asked, job = self._heard_of.get(server.name, (now, None))
        if job is None or (job.done() and not job.result() and now > asked + AGAIN_S):
            self._heard_of[server.name] = now, self._pool.submit(_answers, server)
        elif job.done() and job.result():
            del self._heard_of[server.name]
            return True
        return False

    def place(self, digest: str) -> Path:
        """Return where an adapter is loaded from."""
        return self._store.place(digest)

    def adapter(self, server: Server, served: str, digest: str, *, load: bool) -> str | None:
        """Return None while an adapter is loaded into a server or taken out, empty once it is, else what is wrong.

        Every byte of it is read right before it is loaded.
        """
        key = (server.mark, served, load)
        job = self._changing.get(key)
        if job is None:
            job = self._changing[key] = self._pool.submit(self._change, server, served, digest, load=load)
        return self._changing.pop(key).result() if job.done() else None

    def heard(self, order: Order) -> tuple[int, int]:
        """Return how many cases were asked, and how many there are."""
        return self._heard.get(order.key, (0, 0))

    def end(self) -> None:
        """Begin nothing any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _load(self, digest: str) -> Path | str:
        try:
            return self._store.load(digest).path
        except WeightsError as error:
            return error.detail
        except OSError as error:
            return f"they cannot be read ({error.strerror})"

    def _change(self, server: Server, served: str, digest: str, *, load: bool) -> str:
        if not load:
            return unload_adapter(server.port, server.key, served)
        found = self._load(digest)
        if isinstance(found, str):
            return f"The adapter cannot be used: {found}."
        return load_adapter(server.port, server.key, served, found)

    def _evaluate(self, order: Order, server: Server) -> Result | str:
        def heard(done: int, of: int) -> None:
            self._heard[order.key] = (done, of)

        return evaluate(self._evaluations, server, heard)


def _answers(server: Server) -> bool:
    well = answers(server.port, server.key, server.served, embeddings=server.serving.embeddings)
    if not well:
        logger.warning("a server that nobody called does not answer; the version before is kept", server=server.name)
    return well

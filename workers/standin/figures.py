"""The figures that vLLM shows to Prometheus, as far as a dashboard or a deployment reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from workers.standin.answers import Reply

_LABELS: Final = ("engine", "model_name")
_REASONS: Final = ("stop", "length", "abort", "error", "repetition")


class Figures:
    """Counters of one server, under the first name of its model."""

    def __init__(self, model: str) -> None:
        self._registry = CollectorRegistry()
        self._labels = {"engine": "0", "model_name": model}
        self._running = self._gauge("num_requests_running", "Requests being answered.")
        self._gauge("num_requests_waiting", "Requests that wait.")
        self._gauge("kv_cache_usage_perc", "Share of the cache in use.")
        self._counter("num_preemptions", "Requests pushed back.")
        self._prompt = self._counter("prompt_tokens", "Tokens read.")
        self._generation = self._counter("generation_tokens", "Tokens written.")
        self._success = Counter(
            "vllm:request_success", "Requests answered.", (*_LABELS, "finished_reason"), registry=self._registry
        )
        for reason in _REASONS:
            self._success.labels(**self._labels, finished_reason=reason)
        self._first = self._histogram("time_to_first_token_seconds", "Until the first token.")
        self._between = self._histogram("inter_token_latency_seconds", "Between two tokens.")
        self._end = self._histogram("e2e_request_latency_seconds", "Until the last token.")
        self._queue = self._histogram("request_queue_time_seconds", "Spent waiting.")

    @contextmanager
    def running(self, sequences: int) -> Iterator[None]:
        """Count the sequences as running meanwhile, and the time of each."""
        self._running.inc(sequences)
        begun = time.monotonic()
        try:
            yield
        finally:
            self._running.dec(sequences)
            self._end.observe(time.monotonic() - begun)

    def read(self, reply: Reply) -> None:
        """Count the prompts, each as often as it is answered."""
        self._prompt.inc(sum(prompt.tokens for prompt in reply.prompts) * reply.call.n)
        self._queue.observe(0)
        self._first.observe(0)

    def wrote(self, tokens: int = 1) -> None:
        """Count tokens as they are written, whether or not anyone stays to read the rest."""
        self._generation.inc(tokens)
        self._between.observe(0)

    def answered(self, reply: Reply) -> None:
        """Count what came to its end; an answer whose caller left is none, as in vLLM."""
        for answer in reply.answers:
            self._success.labels(**self._labels, finished_reason=answer.reason).inc()

    def text(self) -> bytes:
        """Return what `/metrics` shows."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"vllm:{name}", what, _LABELS, registry=self._registry).labels(**self._labels)

    def _counter(self, name: str, what: str) -> Counter:
        return Counter(f"vllm:{name}", what, _LABELS, registry=self._registry).labels(**self._labels)

    def _histogram(self, name: str, what: str) -> Histogram:
        return Histogram(f"vllm:{name}", what, _LABELS, registry=self._registry).labels(**self._labels)

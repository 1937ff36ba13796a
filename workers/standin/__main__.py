"""`python -m workers.standin --model NAME --port PORT`: one server until TERM."""

from __future__ import annotations

import sys
import time

import uvicorn

from workers.standin.server import StandIn
from workers.standin.settings import Behaviour, Serving, read

OUT_OF_MEMORY = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of "
    "which 1.19 GiB is free."
)


def main() -> int:
    """Serve, or fare as the behaviour says."""
    serving = read(sys.argv[1:])
    if serving.behaviour is Behaviour.OUT_OF_MEMORY:
        sys.stderr.write(f"{OUT_OF_MEMORY}\n")
        return 1
    time.sleep(serving.start_s)
    while serving.behaviour is Behaviour.NEVER_READY:
        time.sleep(1)
    serve(serving)
    return 0


def serve(serving: Serving) -> None:
    """Serve until TERM or Ctrl-C; what is being answered then may go on for a second."""
    app = StandIn(serving).app()
    uvicorn.run(app, host=serving.host, port=serving.port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    sys.exit(main())

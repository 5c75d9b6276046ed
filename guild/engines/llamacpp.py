"""`python -m guild.engines.llamacpp`: llama.cpp's own server, out of xllamacpp, as a process of its own.

It ends with its standard input, or by SIGTERM at once: taken down inside a process, the server waits for the answers
that it gives, and they for it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from realm.processes.held import end_with_input

NOT_INSTALLED = 2
_QUIET = 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m guild.engines.llamacpp", description=__doc__)
    for name in ("--model", "--alias", "--host"):
        parser.add_argument(name, required=True)
    for name, default in (("--port", None), ("--ctx-size", 0), ("--parallel", 1), ("--threads", 0)):
        parser.add_argument(name, type=int, default=default, required=default is None)
    asked = parser.parse_args()
    end_with_input()
    try:
        server = serve(asked)
    except ModuleNotFoundError:
        print("llama.cpp is not installed: pip install xllamacpp", file=sys.stderr)
        return NOT_INSTALLED
    except RuntimeError as error:  # all that the library raises
        print(f"llama.cpp does not serve {asked.model}: {error}", file=sys.stderr)
        return 1
    print(f"llama.cpp serves {asked.alias} at {server.listening_address}", flush=True)
    while True:
        signal.pause()


def serve(asked: argparse.Namespace) -> Any:
    """The running server; unless a request says otherwise it samples from all tokens, as the oracle does."""
    import xllamacpp  # 100 MB, optional

    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = asked.model, {asked.alias}
    params.hostnames, params.port = [asked.host], asked.port
    params.n_parallel, params.n_ctx = asked.parallel, asked.ctx_size
    params.cors_origins, params.ui, params.warmup, params.verbosity = "", False, False, _QUIET
    params.sampling.top_k, params.sampling.top_p, params.sampling.min_p = 0, 1.0, 0.0
    if asked.threads:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = asked.threads
    return xllamacpp.Server(params)


if __name__ == "__main__":
    sys.exit(main())

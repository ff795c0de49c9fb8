"""Serve this folder, or the one that is named, to the browser of this machine: `python serve.py`.

Pages opened as files may not load the Python that runs answers; served ones may.
"""

import argparse
import contextlib
import functools
import http.server
import webbrowser
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    """Names the kinds of files itself: what Windows says of them depends on what was installed there."""

    extensions_map = {  # noqa: RUF012  # the base class has it so
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".css": "text/css",
        ".svg": "image/svg+xml",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    handler = functools.partial(Handler, directory=str(given.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", given.port), handler) as server:
        address = f"http://localhost:{server.server_address[1]}/"
        print(f"{address}  (Ctrl+C)", flush=True)
        webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()

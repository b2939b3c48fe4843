"""HTTP servers that are no S3, or no good one."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

CONTENT = b"flows" * 1000


class Silent(BaseHTTPRequestHandler):
    """Answer every request as `do` says, and log nothing."""

    def do(self):
        """Answer with what is no object."""
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.send_error(404)

    do_GET = do_HEAD = do_PUT = do_POST = lambda self: self.do()  # noqa: N815 - http.server's names

    def log_message(self, *_):
        """Say nothing."""


class BreaksOff(Silent):
    """Announce an object, and send half of it."""

    length = len(CONTENT) // 2

    def do(self):
        """Send the head of an object and, where it was asked for, half of its body."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(CONTENT[: self.length])


@contextmanager
def serving(handler):
    """Run an HTTP server, and give its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

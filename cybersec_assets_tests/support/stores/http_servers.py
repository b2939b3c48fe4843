"""HTTP servers that are not S3 servers, or faulty ones."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

CONTENT = b"flows" * 1000


class Silent(BaseHTTPRequestHandler):
    """Call `do` for every request, and log nothing."""

    def do(self):
        """Send 404."""
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.send_error(404)

    do_GET = do_HEAD = do_PUT = do_POST = lambda self: self.do()  # noqa: N815 - http.server's names

    def log_message(self, *_):
        """Log nothing."""


class BreaksOff(Silent):
    """Send the headers of an object and half of its body."""

    length = len(CONTENT) // 2

    def do(self):
        """Send the headers and, for GET, half of the body."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(CONTENT[: self.length])


@contextmanager
def serving(handler):
    """Run an HTTP server and yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

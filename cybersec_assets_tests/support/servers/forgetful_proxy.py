"""A proxy for MinIO that drops `If-None-Match`, as some S3 gateways do, and signs the request again."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cybersec_assets_tests.support.servers.servers import HOST, Minio

HOP = {"host", "connection", "authorization", "content-length", "expect", "user-agent", "x-amz-date"}


def is_put(method: str, path: str) -> bool:
    """Return whether a request is a PutObject."""
    return method == "PUT" and "uploadId=" not in path


def is_completion(method: str, path: str) -> bool:
    """Return whether a request is a CompleteMultipartUpload."""
    return method == "POST" and "uploadId=" in path


@contextmanager
def forgetful(minio: Minio, *forgets) -> Iterator[str]:
    """Serve a MinIO without conditions for the requests that a function matches, and yield the URL."""

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            if any(forget(self.command, self.path) for forget in forgets):
                headers = {name: value for name, value in headers.items() if name.lower() != "if-none-match"}
            request = AWSRequest(self.command, minio.url + self.path, data=body, headers=headers)
            S3SigV4Auth(Credentials(minio.access_key, minio.secret_key), "s3", "us-east-1").add_auth(request)
            upstream = http.client.HTTPConnection(HOST, minio.port, timeout=30)
            upstream.request(self.command, self.path, body, dict(request.headers.items()))
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            self.send_response(answer.status)
            kept = {"content-length", "transfer-encoding", "connection", "date", "server"}
            for name, value in answer.getheaders():
                if name.lower() not in kept:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = relay  # noqa: N815 - http.server's names

        def log_message(self, *_) -> None:
            """Log nothing."""

    with ThreadingHTTPServer((HOST, 0), Relay) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

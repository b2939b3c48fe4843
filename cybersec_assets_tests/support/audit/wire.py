"""A wire between a program and its server that breaks at a chosen word, after the server has acted on it."""

import select
import socket
import threading

from cybersec_assets_tests.support.servers.servers import HOST

SIZE = 65536


class Wire:
    """Relay connections to a server, and lose the answer to one message.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        """Listen; nothing is lost yet."""
        self._server = port
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._word = b""
        self.lost = 0
        self._thread = threading.Thread(target=self._accept)
        self._relays = list[threading.Thread]()
        self._thread.start()

    def lose_answer_to(self, word: bytes) -> None:
        """Let the next message with a word through, wait for the server's answer, and throw it away."""
        self._word = word

    def close(self) -> None:
        """Listen no more, and wait until every connection is over."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._relays):
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            relay = threading.Thread(target=self._relay, args=(client,))
            self._relays.append(relay)
            relay.start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection((HOST, self._server)) as server:
            other, wanted = {client: server, server: client}, False
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(SIZE)
                    if not data or (wanted and source is server):
                        # The server's answer is that it has done its work; the client hears a broken line instead.
                        self.lost += wanted
                        return
                    if source is client and self._word and self._word in data:
                        self._word, wanted = b"", True
                    other[source].sendall(data)

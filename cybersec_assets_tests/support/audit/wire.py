"""A connection that breaks at a chosen message, after the server has processed it."""

import select
import socket
import threading

from cybersec_assets_tests.support.servers.servers import HOST

SIZE = 65536


class Wire:
    """Relay connections to a server, and discard the answer to one message.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._word = b""
        self.lost = 0
        self._thread = threading.Thread(target=self._accept)
        self._relays = list[threading.Thread]()
        self._thread.start()

    def lose_answer_to(self, word: bytes) -> None:
        """Relay the next message that contains a word, wait for the server's answer, and discard it."""
        self._word = word

    def close(self) -> None:
        """Stop listening, and wait until every connection has ended."""
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
            other = {client: server, server: client}
            wanted = False
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(SIZE)
                    if not data or (wanted and source is server):
                        # The server has processed the message; its client sees a broken connection.
                        self.lost += wanted
                        return
                    if source is client and self._word and self._word in data:
                        self._word = b""
                        wanted = True
                    other[source].sendall(data)

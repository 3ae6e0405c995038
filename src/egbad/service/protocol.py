"""HTTP/1.1 by httptools, with a limit on what a client sends without beginning or continuing a body."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from egbad.service.problems import problem_response

MAX_HEAD = 65_536  # bytes of an address and headers, of trailers, or of extensions of chunks


class LimitedProtocol(HttpToolsProtocol):
    """Connection of a client.

    Uvicorn keeps the headers and trailers that httptools reads, whatever their size, before anything knows who has sent them.
    A client that sends more than `MAX_HEAD` bytes in which neither the headers end nor a part of a body comes is answered by
    status 400, and the connection is closed. Requests that cannot be read are answered by problems, as all others.
    """

    _n_pending = 0  # bytes since the headers or the message ended, or a part of the body came

    def data_received(self, data: bytes) -> None:
        """Read bytes of a client.

        Parameters
        ----------
        data : bytes
        """
        self._n_pending += len(data)
        super().data_received(data)
        if self._n_pending > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head of a request must have at most {MAX_HEAD:,} bytes.")

    def on_headers_complete(self) -> None:
        """Begin a request."""
        self._n_pending = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body.

        Parameters
        ----------
        body : bytes
        """
        self._n_pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._n_pending = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be read, and close the connection.

        Parameters
        ----------
        msg : str
            One sentence.
        """
        response = problem_response(HTTPStatus.BAD_REQUEST, msg, "", {"connection": "close"})
        head = b"".join(b"%s: %s\r\n" % (name, value) for name, value in response.raw_headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n%s\r\n%s" % (head, bytes(response.body)))
        self.transport.close()

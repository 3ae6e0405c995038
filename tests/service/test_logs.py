"""Messages of the server are in the format of the log."""

import json
import logging

from egbad.service.logs import make_logger, server_messages


def test_messages_of_the_server_are_lines_of_json(capsys):
    library = logging.getLogger("uvicorn.error")
    before = [*logging.getLogger("uvicorn").handlers]
    with server_messages(make_logger("json")):
        library.info("started")
        library.warning("Invalid %s request received.", "HTTP")
        try:
            raise ValueError("odd")
        except ValueError:
            library.exception("Exception in ASGI application")
    warning, error = map(json.loads, capsys.readouterr().err.splitlines())
    assert (warning["level"], warning["message"]) == ("warning", "Invalid HTTP request received.")
    assert error["level"] == "error" and "ValueError: odd" in error["exception"]
    assert logging.getLogger("uvicorn").handlers == before and logging.getLogger("uvicorn").propagate

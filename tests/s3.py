"""An S3 server in a thread of the tests, which can be told to fail now and then."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from pyarrow.fs import FileSystem

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

BUCKET = "bucket"
LATE_SECONDS = 6


class Failing:
    """Answers every so many requests with an internal error, some too late, and asks the application for the others."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.every: int | None = None
        self.requests = 0
        self.late = 0
        """How many of the next requests are answered when nobody waits any more."""

    def __call__(self, environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.requests += 1
        if self.late:
            self.late -= 1
            time.sleep(LATE_SECONDS)
        if self.every and self.requests % self.every == 0:
            start("500 Internal Server Error", [("Content-Type", "text/xml")])
            return [b"<Error><Code>InternalError</Code><Message>try again</Message></Error>"]
        return self._application(environment, start)


@contextmanager
def s3_server() -> Iterator[tuple[str, Failing]]:
    """The URL of a folder of an empty bucket, and what makes the server fail."""
    application = pytest.importorskip("moto.moto_server.werkzeug_app", reason="needs moto")
    serving = pytest.importorskip("werkzeug.serving", reason="needs moto's server")
    made = application.DomainDispatcherApplication(application.create_backend_app)
    failing = Failing(made)

    class Quiet(serving.WSGIRequestHandler):  # type: ignore[misc]
        def log(self, *_: object) -> None:
            pass

    server = serving.make_server("127.0.0.1", 0, failing, threaded=True, request_handler=Quiet)
    thread = Thread(target=server.serve_forever)
    thread.start()
    options = f"endpoint_override=127.0.0.1:{server.port}&scheme=http&region=us-east-1"
    url = f"s3://key:secret@{BUCKET}/folder?{options}"
    try:
        files, _ = FileSystem.from_uri(f"{url}&allow_bucket_creation=true")
        files.create_dir(BUCKET)
        yield url, failing
    finally:
        server.shutdown()
        thread.join()

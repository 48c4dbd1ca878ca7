"""What the stand-ins of GitHub and GitLab share: JSON over HTTP on loopback, with the answers of a function."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Redirect(Exception):
    """The answer stands elsewhere."""


class HttpService:
    """Calls `answer(method, path, query, body, headers)`, which gives bytes, or something for JSON."""

    def __init__(self, answer) -> None:
        service = self
        self.requests: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                service.requests.append(f"{self.command} {self.path}")
                try:
                    told, status = answer(self.command, parts.path, query, body, self.headers), 200
                except Refused as refused:
                    told, status = {"message": str(refused)}, refused.status
                except Redirect as there:
                    self.send_response(302)
                    self.send_header("Location", str(there))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                told = told if isinstance(told, bytes) else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            do_GET = do_POST = do_PATCH = do_PUT = _answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

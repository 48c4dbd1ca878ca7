"""Where runners keep their record together: a bucket of moto where it is installed, else a folder."""

import contextlib
import io
import re
import subprocess
import sys
import time
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Bucket:
    """`url` for the state's `record` (none: a folder of the rehearsal), and what a runner's machine has set."""

    url: str | None = None
    machine: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def bucket():
    server = Path(sys.executable).with_name("moto_server")
    if not server.exists():
        print("   the record is a folder (there is no moto for a bucket)")
        yield Bucket()
        return
    process = subprocess.Popen([server, "-H", "127.0.0.1", "-p", "0"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        port = next(found[1] for line in process.stdout if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        url = f"http://127.0.0.1:{port}"
        request = urllib.request.Request(f"{url}/soc-kedrctl", method="PUT")
        urllib.request.urlopen(request).close()
        # Its log must not fill the pipe.
        import threading

        threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()
        machine = {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
        yield Bucket("s3://soc-kedrctl/prod", machine)
    finally:
        process.terminate()
        process.wait(timeout=30)


def of_zip(content: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name).decode()

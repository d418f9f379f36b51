"""A headless Chromium that is asked over two pipes, as the pages allow no foreign script.

The protocol is that of Chromium's developer tools
(https://chromedevtools.github.io/devtools-protocol/): one JSON message at a time, each ended by a
zero byte.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
_FREE = 10  # the first number of a pipe that is neither 3 nor 4, where Chromium looks for them


class Browser:
    """One tab of a running Chromium."""

    def __init__(self, asks: BinaryIO, answers: BinaryIO) -> None:
        self._asks, self._answers = asks, answers
        self._number, self._session, self._seen = 0, "", b""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.ask("Page.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one message; RuntimeError where Chromium refuses."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._asks.write(json.dumps(message).encode() + b"\0")
        self._asks.flush()
        return self._until(lambda told: told.get("id") == self._number)

    def open(
        self, page: Path, width: int = 1280, height: int = 844, dark: bool = False, medium: str = ""
    ) -> None:
        """Show a page in a window of this size, and wait until it has loaded."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 700,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=medium, features=[scheme])
        self.ask("Page.navigate", url=page.absolute().as_uri())
        self._until(lambda told: told.get("method") == "Page.loadEventFired")

    def tell(self, script: str) -> Any:
        """What the body of an async function gives in the page."""
        told = self.ask(
            "Runtime.evaluate",
            expression=f"(async () => {{ {script} }})()", awaitPromise=True, returnByValue=True,
        )  # fmt: skip
        if "exceptionDetails" in told:
            raise RuntimeError(json.dumps(told["exceptionDetails"])[:800])
        return told["result"].get("value")

    def picture(self, whole: bool = True) -> bytes:
        """PNG of the page, or of what is in sight."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def printed(self) -> bytes:
        """The page as a PDF on A4 paper."""
        made = self.ask(
            "Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.7
        )
        return base64.b64decode(made["data"])

    def _until(self, wanted: Any) -> dict[str, Any]:
        while True:
            while b"\0" not in self._seen:
                more = self._answers.read1(1 << 20)  # type: ignore[attr-defined]
                if not more:
                    raise RuntimeError("Chromium has ended.")
                self._seen += more
            raw, _, self._seen = self._seen.partition(b"\0")
            told = json.loads(raw)
            if wanted(told):
                if "error" in told:
                    raise RuntimeError(told["error"]["message"])
                return dict(told.get("result", {}))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium with a profile of its own, ended on leaving."""
    theirs, asks = os.pipe()
    answers, theirs_out = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, _FREE) for end in (theirs, theirs_out)]

    def place() -> None:
        os.dup2(ends[0], 3)
        os.dup2(ends[1], 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        process = subprocess.Popen(
            command, preexec_fn=place, pass_fds=(3, 4), stderr=subprocess.DEVNULL
        )
        for end in (theirs, theirs_out, *ends):
            os.close(end)
        try:
            with os.fdopen(asks, "wb") as to, os.fdopen(answers, "rb") as back:
                yield Browser(to, back)
        finally:
            process.terminate()
            process.wait()

# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium, driven over its DevTools protocol."""

import itertools
import json
import shutil
import urllib.request

import pytest
import websockets

from processes import PATIENCE_S, Process

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--no-proxy-server", "--ignore-certificate-errors",
    "--remote-debugging-port=0",
]  # fmt: skip


def start_chromium(folder):
    """The process and the address of its DevTools, with a profile of its own in `folder`."""
    program = shutil.which("chromium")
    if not program:
        pytest.skip("chromium is not installed (Debian package chromium)")
    process = Process([program, *OPTIONS, f"--user-data-dir={folder}", "about:blank"])
    try:
        found = process.wait_line(r"DevTools listening on ws://([^/]+)/", timeout=PATIENCE_S * 2)
    except BaseException:
        process.kill()
        raise
    return process, found[1]


class Page:
    """The one open tab. Use as an asynchronous context."""

    def __init__(self, address):
        # The browser listens on loopback; no proxy of the environment may come between.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{address}/json", timeout=PATIENCE_S) as listing:
            tabs = json.load(listing)
        self.url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        self.ids = itertools.count(1)

    async def __aenter__(self):
        self.socket = await websockets.connect(self.url, max_size=None, ping_interval=None)
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def call(self, method, **parameters):
        number = next(self.ids)
        message = {"id": number, "method": method, "params": parameters}
        await self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(await self.socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def open(self, url):
        result = await self.call("Page.navigate", url=url)
        assert "errorText" not in result, result

    async def evaluate(self, expression):
        result = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, condition):
        """Waits, in the page, until the JavaScript condition holds, and returns its value."""
        return await self.evaluate(
            f"""new Promise((done, fail) => {{
                const deadline = Date.now() + {PATIENCE_S * 1000};
                (function look() {{
                    let value;
                    try {{ value = {condition}; }} catch (error) {{ value = false; }}
                    if (value) done(value);
                    else if (Date.now() > deadline) fail(new Error({json.dumps(condition)}));
                    else setTimeout(look, 20);
                }})();
            }})"""
        )

    async def type(self, text):
        await self.call("Input.insertText", text=text)

    async def press_enter(self):
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                windowsVirtualKeyCode=13,
            )  # fmt: skip

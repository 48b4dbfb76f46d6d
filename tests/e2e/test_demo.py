# SPDX-License-Identifier: Apache-2.0
"""`ringway demo`, as the newcomer sees it: one command, a page in a real browser, an echo."""

import signal
import ssl

import pytest

from browser import Page
from gateway import REPORT
from peers import run
from processes import PROGRAM, Process, free_port
from wire import connect, request


@pytest.fixture
def demo():
    """A running demo and its port."""
    port = free_port()
    process = Process([PROGRAM, "demo", "--port", port])
    try:
        process.wait_line(r"\bready\b")
        yield process, port
    finally:
        code = process.stop(signal.SIGINT)  # Ctrl-C
        print(process.output[-5000:])
    assert code == 0 and not REPORT.search(process.output)


def test_demo_tells_what_to_do(demo):
    process, port = demo
    assert f"https://localhost:{port}" in process.output
    assert "sites:" in process.output, "the configuration is shown"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(port, context) as wire:
        wire.send(request())
        page = wire.read_response()
    assert page.status == 200 and page.get("Content-Type").startswith("text/html")


@pytest.mark.slow
def test_demo_page_in_a_browser(demo, chromium):
    _, port = demo

    async def talk():
        async with Page(chromium) as page:
            await page.open(f"https://localhost:{port}/")
            await page.until("document.querySelector('#status').textContent === 'open'")
            await page.evaluate("document.querySelector('#input').focus()")
            await page.type("hello through the gateway ☂")
            await page.evaluate("document.querySelector('#send').click()")
            await page.until(
                "document.querySelector('#log').innerText"
                ".split('hello through the gateway ☂').length === 3"
            )
            assert await page.until("/[0-9]/.test(document.querySelector('#rtt').textContent)")
            await page.type("again")
            await page.press_enter()
            await page.until("document.querySelector('#log').innerText.split('again').length === 3")
            assert "this is not" not in await page.evaluate("document.body.innerText")

    run(talk())

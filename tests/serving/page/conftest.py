"""A service whose every word a test decides, the page as its customer, and a browser that looks at the page."""

import base64
import io
import sys
import threading
import time

import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.client import Prediction
from tests.browser import chromium

KEY = "a key"
TESTED = {
    "test": {"n": 412, "patients": 220, "auc": 0.974, "auc_low": 0.957, "auc_high": 0.987, "sensitivity": 0.951},
    "external": {"n": 300, "patients": 160, "auc": 0.912, "auc_low": 0.874, "auc_high": 0.944, "sensitivity": 0.883},
}
CARD = {
    "recipe": "demo",
    "title": "Pneumonia on phantom chest films",
    "version": "abc123def456",
    "sha256": "abc123def456" + "0" * 52,
    "labels": {"names": ["NORMAL", "PNEUMONIA"], "positive": "PNEUMONIA"},
    "threshold": 0.5,
    "refer": [0.4, 0.6],
    "released": {
        "date": "2026-11-20T10:00:00+00:00",
        "tested": TESTED,
        "flags": [],
        "about": {"intended_use": "To show the chain. For nothing else.", "funding": None},
    },
}
WINDOW = (2000.0, 3000.0, 0.0, 4095.0)


def answer(probability=0.8125, **changes):
    """What /predict says."""
    decision = "positive" if probability >= 0.6 else "negative" if probability <= 0.4 else "refer"
    values = {
        "label": "PNEUMONIA" if probability >= 0.5 else "NORMAL",
        "probability": probability,
        "probabilities": {"NORMAL": 1 - probability, "PNEUMONIA": probability},
        "threshold": 0.5,
        "decision": decision,
        "familiarity": 0.64,
        "model": {name: CARD[name] for name in ("recipe", "version", "sha256")},
        "notice": "For research use only. This is not a medical device, and no diagnosis may rest on its answer.",
        "reason": None,
        "a_key_of_later": 1,
    }
    return {**values, **changes}


class Service:
    """A prediction service that says what a test tells it to.

    Args:
        card: what /card says.
        says: from the bytes of a film to what /predict says: a dictionary, or (status, dictionary, headers).
        explains: from the bytes of a film to an error in that shape, or None where it is drawn.
        examples: what /examples says; None where there is none.
        delay: seconds before /predict answers.
        key: that is asked for.
        asked: paths of the requests so far, with their form fields.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        self.card = CARD
        self.says = lambda film: answer()
        self.explains = lambda film: None
        self.examples = None
        self.delay = 0.0
        self.key = None
        self.asked = []

    def count(self, path):
        return sum(asked == path for asked, _ in self.asked)

    async def handle(self, request):
        async with request.form() as form:
            film = await form["image"].read() if "image" in form else b""
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
        self.asked.append((request.url.path, fields))
        if self.key is not None and request.headers.get("X-API-Key") != self.key:
            return said((401, {"error": "The request has no valid API key."}, {"X-Request-ID": "request-401"}))
        return await run_in_threadpool(self.respond, request.url.path, film, fields)

    def respond(self, path, film, fields):
        if path == "/readyz":
            return Response()
        if path == "/predict":
            time.sleep(self.delay)
            return said(self.says(film))
        if path == "/explain":
            return said(self.explains(film)) if self.explains(film) else drawn(film, fields)
        if path == "/card":
            return said(self.card)
        if path == "/examples" and self.examples is not None:
            return said({"examples": self.examples})
        return said((404, {"error": f"There is no {path} here."}, {}))


class Coming:
    """A service that is away at first."""

    def __init__(self, port):
        self.port, self.address, self.told, self.server = port, f"http://127.0.0.1:{port}", Service(), None

    def start(self):
        routes = [Route("/{path:path}", self.told.handle, methods=["GET", "POST"])]
        self.server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=routes), port=self.port, log_level="error", ws="none")
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)

    def stop(self):
        if self.server is not None:
            self.server.should_exit = True
            self.thread.join()
            self.server = None


def said(content):
    body, status, headers = (content, 200, {}) if isinstance(content, dict) else (content[1], content[0], content[2])
    return JSONResponse(body, status, headers)


def drawn(film, fields):
    """The film as PNG, its left half under heat; a DICOM file has a window."""
    opacity, headers, grey = float(fields["opacity"]), {}, None
    if film[128:132] == b"DICM":
        center, width = float(fields.get("window_center", WINDOW[0])), float(fields.get("window_width", WINDOW[1]))
        headers = {"Filmgate-Window": f"{center} {width} {WINDOW[2]} {WINDOW[3]}"}
        levels = np.tile(np.linspace(0, 4095, 300), (240, 1))
        grey = np.clip((levels - center) / width + 0.5, 0, 1) * 255
        grey = 255 - grey if film.endswith(b"MONOCHROME1") else grey
    pixels = np.asarray(Image.open(io.BytesIO(film)).convert("RGB")) if grey is None else np.stack([grey] * 3, -1)
    pixels = pixels.astype(float)
    half = pixels.shape[1] // 2
    pixels[:, :half] = pixels[:, :half] * (1 - 0.7 * opacity) + np.array([255, 120, 0]) * 0.7 * opacity
    file = io.BytesIO()
    Image.fromarray(pixels.round().astype(np.uint8)).save(file, "PNG")
    return Response(file.getvalue(), media_type="image/png", headers=headers)


@pytest.fixture(scope="session")
def service_address(processes):
    """A running `Service`, and its address."""
    running = Coming(processes.free_port())
    running.start()
    yield running.told, running.address
    running.stop()


@pytest.fixture
def service(service_address):
    """The service, told nothing yet."""
    service_address[0].reset()
    return service_address[0]


@pytest.fixture(scope="session")
def start_page(processes):
    """Starts the page as a customer of a service: `start_page("http://127.0.0.1:3000")` is its address."""
    running = []

    def start(address, **environment):
        port = processes.free_port()
        command = [sys.executable, "-m", "streamlit", "run", "serving/app.py", "--server.port", str(port)]
        process = processes.running(command, FILMGATE_SERVICE=address, **environment)
        running.append(process)
        processes.seconds_until(f"http://127.0.0.1:{port}/_stcore/health", process.__enter__())
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.__exit__(None, None, None)


@pytest.fixture(scope="session")
def page_address(start_page, service_address):
    """The page of the service; its patience ends after two seconds."""
    return start_page(service_address[1], FILMGATE_TIMEOUT="2", FILMGATE_API_KEY=KEY)


@pytest.fixture(scope="module")  # while the player lives, asyncio.run is refused to the tests of other modules
def browser():
    with sync_playwright() as player:
        started = chromium(player)
        yield started
        started.close()


@pytest.fixture(scope="module")
def windows(browser):
    """Windows of the browser, each kind opened once, so that it keeps what it fetched: `windows(width=390)`."""
    opened = {}

    def window(width=1280, height=800, scheme="light", **options):
        kind = (width, height, scheme, *options.items())
        if kind not in opened:
            size = {"width": width, "height": height}
            opened[kind] = browser.new_context(viewport=size, color_scheme=scheme, **options)
        return opened[kind]

    yield window
    for context in opened.values():
        context.close()


@pytest.fixture
def look(windows, service, page_address):
    """Opens the page: `look(width=390, scheme="dark")`. A fault of the page's own JavaScript fails the test."""
    faults, tabs = [], []

    def open_page(address=page_address, **options):
        tab = windows(**options).new_page()
        tabs.append(tab)
        tab.set_default_timeout(15_000)
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(address)
        tab.locator("h1").wait_for()
        return tab

    yield open_page
    for tab in tabs:
        tab.close()
    assert not faults


@pytest.fixture(scope="session")
def film():
    """A film as PNG, each number another one: `film(3)`."""

    def encode(number=0, size=(300, 240)):
        across, down = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
        grey = 200 * np.exp(-((np.abs(across) - 0.4) ** 2 * 9 + down**2 * 2)) + number
        file = io.BytesIO()
        Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(file, "PNG")
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def put():
    """Puts files on the page: `put(tab, {"a.png": film(1)})`."""

    def drop(tab, files):
        # While a page is redrawn, Streamlit keeps the field of before for a moment, hidden.
        field = tab.get_by_test_id("stFileUploader").filter(visible=True)
        field.locator("input").set_input_files(
            [{"name": name, "mimeType": "application/octet-stream", "buffer": data} for name, data in files.items()]
        )

    return drop


@pytest.fixture(scope="session")
def an_answer():
    """What the service says of a film: `an_answer(0.2, reason="...")`."""
    return answer


@pytest.fixture(scope="session")
def predicted():
    """The same as the client gives it: `predicted(0.2, reason="...")`."""

    def make(probability=0.8125, **changes):
        said = answer(probability, **changes)
        return Prediction(**{name: value for name, value in said.items() if name != "a_key_of_later"})

    return make


@pytest.fixture(scope="session")
def card_that_says():
    """The card with something else in what it says of the release: `card_that_says(flags=["It guesses."])`."""
    return lambda **changes: {**CARD, "released": {**CARD["released"], **changes}}


@pytest.fixture(scope="session")
def card():
    """The card of the model that the service runs."""
    return CARD


@pytest.fixture(scope="session")
def as_example(film):
    def encode(name, number, label):
        return {"name": name, "film": base64.b64encode(film(number)).decode(), "label": label, "answer": answer()}

    return encode


@pytest.fixture
def comes_and_goes(processes):
    """A second service that a test starts and stops: `comes_and_goes.start()`, `.stop()`, at `.address`."""
    other = Coming(processes.free_port())
    yield other
    other.stop()

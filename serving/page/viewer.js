// Both panes move as one. The heat layer is drawn over the film by the browser, so that the slider shows its effect at once.
const MOST = 12; // times
const STEP = 1.25; // of one press
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const SAME_TURN = 300; // milliseconds between two turns of the wheel that belong together

const percent = (share) => `${Math.round(100 * share)} %`;

// Where the film is shown: how large, and where its upper left corner lies, in shares of a pane.
class View {
  constructor(root) {
    this.root = root;
    this.all();
  }

  all() {
    [this.scale, this.x, this.y] = [1, 0, 0];
    this.draw();
  }

  // Makes it larger or smaller; the point (x, y) of the pane stays where it is.
  zoom(factor, x = 0.5, y = 0.5) {
    const scale = Math.max(1, Math.min(MOST, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.draw();
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.draw();
  }

  draw() {
    const inside = (at) => Math.min(0, Math.max(1 - this.scale, at));
    [this.x, this.y] = [inside(this.x), inside(this.y)];
    for (const layer of this.root.querySelectorAll(".move")) {
      layer.style.transform = `translate(${100 * this.x}%, ${100 * this.y}%) scale(${this.scale})`;
    }
    this.root.querySelector(".viewer").classList.toggle("zoomed", this.scale > 1);
    this.root.querySelector(".scale").textContent = percent(this.scale);
    this.root.querySelector(".out").disabled = this.root.querySelector(".fit").disabled = this.scale === 1;
    this.root.querySelector(".in").disabled = this.scale === MOST;
  }
}

function place(pane, event) {
  const box = pane.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

// The wheel zooms where its turn began over the film; a turn that scrolls the page goes on scrolling.
function wheel(view, panes) {
  let [last, ours] = [0, false];
  const turned = (event) => {
    if (event.timeStamp - last > SAME_TURN) ours = event.composedPath().includes(panes);
    last = event.timeStamp;
  };
  window.addEventListener("wheel", turned, { capture: true, passive: true });
  panes.addEventListener("wheel", (event) => {
    const pane = event.target.closest(".pane");
    if (!pane || !(ours || event.ctrlKey) || (event.deltaY > 0 && view.scale === 1 && !event.ctrlKey)) return;
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), ...place(pane, event));
  }, { passive: false });
  return () => window.removeEventListener("wheel", turned, { capture: true });
}

// One finger or the mouse drags, two fingers zoom.
function drag(view, panes) {
  const down = new Map();
  const spread = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  panes.addEventListener("pointerdown", (event) => {
    const pane = event.target.closest(".pane");
    if (!pane) return;
    down.set(event.pointerId, place(pane, event));
    if (view.scale > 1 || down.size === 2) pane.setPointerCapture(event.pointerId);
  });
  panes.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    const pane = event.target.closest(".pane");
    if (!before || !pane) return;
    const points = [...down.values()];
    const now = place(pane, event);
    down.set(event.pointerId, now);
    if (down.size === 2) {
      const [a, b] = [...down.values()];
      view.zoom(spread([a, b]) / Math.max(spread(points), 0.01), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    } else if (view.scale > 1) {
      view.move(now[0] - before[0], now[1] - before[1]);
    }
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    panes.addEventListener(end, (event) => down.delete(event.pointerId));
  }
  panes.addEventListener("dblclick", (event) => {
    const pane = event.target.closest(".pane");
    if (pane) view.zoom(2, ...place(pane, event));
  });
}

function keys(view, panes) {
  panes.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = view.scale > 1 && ARROWS[event.key];
    if (event.key === "+" || event.key === "=") view.zoom(STEP);
    else if (event.key === "-") view.zoom(1 / STEP);
    else if (event.key === "0") view.all();
    else if (arrow) view.move(0.1 * arrow[0], 0.1 * arrow[1]);
    else return;
    event.preventDefault();
  });
}

function buttons(view, root) {
  root.querySelector(".in").onclick = () => view.zoom(STEP);
  root.querySelector(".out").onclick = () => view.zoom(1 / STEP);
  root.querySelector(".fit").onclick = () => view.all();
  const [viewer, full] = [root.querySelector(".viewer"), root.querySelector(".full")];
  full.hidden = !document.fullscreenEnabled;
  full.onclick = () => (root.fullscreenElement ? document.exitFullscreen() : viewer.requestFullscreen());
  viewer.onfullscreenchange = () => full.setAttribute("aria-pressed", Boolean(root.fullscreenElement));
}

function opacity(root) {
  const slider = root.querySelector(".opacity");
  slider.oninput = () => {
    root.querySelector(".heat").style.opacity = slider.value / 100;
    root.querySelector(".opaque").textContent = `${slider.value} %`;
  };
  slider.oninput();
}

// While a slider of the window moves, the browser guesses from the picture that it has how the film will look: grey levels
// that lie outside the present window are lost in it. Where the slider is let go, the service draws the film anew.
function guess(root, { window: from, rising }, center, width) {
  if (rising === null) return;
  const slope = from.width / width;
  const offset = (from.center - from.width / 2 - center + width / 2) / width;
  for (const channel of root.querySelectorAll("feComponentTransfer > *")) {
    channel.setAttribute("slope", slope);
    channel.setAttribute("intercept", rising ? offset : 1 - slope - offset);
  }
  root.querySelector(".viewer").classList.add("guessed");
}

function windowing(root, data, wish) {
  const fields = root.querySelector(".window");
  const { lowest, highest } = data.window ?? { lowest: 0, highest: 0 };
  fields.hidden = lowest >= highest;
  root.querySelector(".drawing").textContent = data.drawing ? "The film is being drawn anew." : "";
  const steady = !data.drawing && !root.held;
  if (steady) root.querySelector(".viewer").classList.remove("guessed");
  if (fields.hidden) return;
  const step = highest - lowest >= 400 ? 1 : (highest - lowest) / 400;
  const [center, width] = [fields.querySelector(".center"), fields.querySelector(".width")];
  const limits = { center: [lowest, highest], width: [step, 2 * (highest - lowest)] };
  for (const [name, slider] of Object.entries({ center, width })) {
    const shown = () => (slider.nextElementSibling.textContent = Math.round(slider.value * 100) / 100);
    if (steady) {
      [slider.min, slider.max] = limits[name];
      slider.step = step;
      slider.value = data.window[name];
      shown();
    }
    slider.oninput = () => {
      root.held = true;
      shown();
      guess(root, data, +center.value, +width.value);
    };
    slider.onchange = () => {
      root.held = false;
      wish({ key: data.key, reset: false, center: +center.value, width: +width.value });
    };
  }
  fields.querySelector(".reset").onclick = () => wish({ key: data.key, reset: true });
}

export default function ({ parentElement: root, data, setTriggerValue }) {
  const panes = root.querySelector(".panes");
  if (!root.view) {
    root.view = new View(root);
    root.leave = wheel(root.view, panes);
    drag(root.view, panes);
    keys(root.view, panes);
    buttons(root.view, root);
    opacity(root);
  }
  if (root.film !== data.key) {
    root.view.all();
    root.held = false;
  }
  root.film = data.key;
  const heat = root.querySelector(".heat");
  for (const image of root.querySelectorAll(".film")) image.src = data.film;
  heat.src = data.heat;
  heat.onload = () => root.querySelectorAll("img").forEach((image) => image.classList.toggle("tiny", image.naturalWidth < 100));
  panes.setAttribute("aria-label", `${data.name} and its heatmap. Plus and minus zoom, 0 shows all of it, arrows move.`);
  root.querySelector(".notice").textContent = data.notice;
  windowing(root, data, (wished) => setTriggerValue("window", wished));
  return () => root.leave();
}

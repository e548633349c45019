// Buttons are kept and changed in place, so that the focus stays where it is while films are being read.
function made(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

function button() {
  const entry = document.createElement("li");
  const made_button = document.createElement("button");
  made_button.type = "button";
  const badge = made("span", "badge");
  badge.append(made("span", "mark"), made("span", "what"));
  made_button.append(made("span", "thumb none"), badge, made("span", "title"));
  entry.append(made_button);
  return entry;
}

function thumbnail(item) {
  const thumb = item.thumb ? made("img", "thumb") : made("span", "thumb none");
  if (item.thumb) {
    thumb.alt = "";
    thumb.src = item.thumb;
  } else {
    thumb.textContent = item.mark;
  }
  return thumb;
}

function fill(entry, item, choose) {
  const pressed = entry.firstChild;
  if (entry.drawn !== item.thumb + item.mark) {
    pressed.replaceChild(thumbnail(item), pressed.firstChild);
    entry.drawn = item.thumb + item.mark;
  }
  pressed.className = item.tone;
  pressed.title = item.title;
  pressed.setAttribute("aria-label", item.words);
  pressed.setAttribute("aria-current", item.chosen);
  pressed.querySelector(".mark").textContent = item.thumb ? item.mark : "";
  pressed.querySelector(".what").textContent = item.badge;
  pressed.querySelector(".title").textContent = item.title;
  pressed.onclick = () => choose(item.key);
}

function moved(row, step) {
  const buttons = [...row.querySelectorAll("button")];
  const place = buttons.indexOf(row.getRootNode().activeElement) + step;
  buttons[Math.max(0, Math.min(place, buttons.length - 1))]?.focus();
}

export default function ({ parentElement, data, setTriggerValue }) {
  const row = parentElement.querySelector(".row");
  row.setAttribute("aria-label", data.label);
  const before = new Map([...row.children].map((entry) => [entry.key, entry]));
  const entries = data.items.map((item) => {
    const entry = before.get(item.key) ?? button();
    entry.key = item.key;
    fill(entry, item, (key) => setTriggerValue("chosen", key));
    return entry;
  });
  for (const entry of before.values()) if (!entries.includes(entry)) entry.remove();
  entries.forEach((entry, place) => row.children[place] === entry || row.insertBefore(entry, row.children[place] ?? null));
  row.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      moved(row, step);
    }
  };
  const said = parentElement.querySelector(".said");
  if (said.textContent !== data.said) said.textContent = data.said;
}

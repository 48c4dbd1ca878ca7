
// What the page can do when it may run: the picture, search and filters, all rows, a host's card. Texts of others come
// from the data and go into the page as text only.

const PAGE = 100;
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const text = (place) => data.texts[place];
const number = (count) => count.toLocaleString("en");

// The rows of the data, by the positions that the writer gave their fields.
const states = data.states.map(([word, words, mark, tone]) => ({ word, words, mark, tone }));
const findings = data.findings.map(([mark, kind, server, label, message, cause]) => (
  { mark, kind, server, label, message: text(message), cause: text(cause) }
));
const changes = data.changes.map((row, index) => {
  const [mark, word, who, host, server, step, detail, reason, cause, notes, lines, tone, result] = row;
  return {
    index, mark, word, who, host, server, step: text(step), detail: text(detail), reason: text(reason), cause: text(cause),
    notes: notes.map(text), lines: data.lines[lines], tone, result: text(result),
  };
});
const hosts = data.hosts.map((row, index) => {
  const [name, server, state, sensor, addresses, os, seen, groups, entry, aspects, made, found] = row;
  const host = {
    index, name, server, state, sensor, addresses, os: text(os), seen, groups: groups.map(text), entry: text(entry),
    aspects: aspects.map(([aspect, stands, note, cause]) => ({ aspect: text(aspect), state: stands, note: text(note), cause: text(cause) })),
    changes: made, findings: found,
  };
  host.sought = [name, host.entry, sensor, addresses, host.os, ...host.groups, data.servers[server]].join("\n").toLowerCase();
  return host;
});

/** An element. Strings among its children become text, never markup. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A text of others: whichever way it is written, it turns nothing around it. */
function said(value) {
  const node = document.createElement("bdi");
  node.textContent = value;
  return node;
}

function sign(state) {
  return element("span", { class: `mark ${states[state].tone}`, "aria-hidden": "true" }, states[state].mark);
}

function stands(state) {
  return [sign(state), ` ${states[state].words}`];
}

const instants = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const years = new Intl.DateTimeFormat("en-GB", { year: "numeric", timeZone: "UTC" });

/** As the rest of the page says an instant. */
function instant(seconds) {
  if (seconds === null) return "not known";
  const at = new Date(seconds * 1000);
  const part = Object.fromEntries(instants.formatToParts(at).map(({ type, value }) => [type, value]));
  const year = years.format(at) === years.format(new Date(data.now * 1000)) ? "" : ` ${years.format(at)}`;
  return `${part.day} ${part.month}${year} ${part.hour}:${part.minute}Z`;
}

// Filters. What is sought, and what of it is found.

const sought = { words: [], server: "", group: "", states: new Set(), order: "group" };
const found = { hosts: hosts.map(({ index }) => index), sort: "state", down: false, from: 0, changes: changes, shown: PAGE };

function isFound(host) {
  return sought.words.every((word) => host.sought.includes(word))
    && (sought.server === "" || host.server === Number(sought.server))
    && (sought.group === "" || host.groups.includes(sought.group))
    && (sought.states.size === 0 || sought.states.has(host.state));
}

function isAnySought() {
  return sought.words.length + sought.states.size > 0 || sought.server !== "" || sought.group !== "";
}

function find() {
  const is = hosts.map(isFound);
  found.hosts = hosts.filter((host) => is[host.index]).map(({ index }) => index);
  found.changes = isAnySought() ? changes.filter((change) => change.host !== null && is[change.host]) : changes;
  found.from = 0;
  found.shown = PAGE;
  $("match").textContent = isAnySought()
    ? `${number(found.hosts.length)} of ${number(hosts.length)} hosts`
    : `${number(hosts.length)} hosts`;
  showPicture();
  showTable();
  showChanges();
}

// The picture.

let picture = null;

function sectionOf(host) {
  const server = data.servers[host.server];
  switch (sought.order) {
    case "state": return `${server} / ${states[host.state].words}`;
    case "os": return `${server} / ${host.os || "system not known"}`;
    default: return `${server} / ${host.groups[0] || (host.name === "all hosts" ? "rule for all" : "no group")}`;
  }
}

function showPicture() {
  const sections = new Map();
  // Hosts come with the worst first.
  for (const index of found.hosts) {
    const title = sectionOf(hosts[index]);
    if (!sections.has(title)) sections.set(title, []);
    sections.get(title).push(index);
  }
  const isRest = (title) => / \/ (no group|system not known)$/.test(title);
  const server = (of) => hosts[of[0]].server;
  const sorted = [...sections].sort(([a, of], [b, others]) => server(of) - server(others)
    || (sought.order === "state" ? 0 : isRest(a) - isRest(b) || (a < b ? -1 : 1)));
  picture.show(sorted.map(([title, of]) => ({ title, hosts: of })));
}

function makePicture() {
  picture = new Picture({
    canvas: $("canvas"), cursor: $("cursor"), hover: $("hover"), hosts, states,
    on: {
      choose: (index) => showHost(index, $("canvas")),
      come: (index) => {
        const host = hosts[index];
        $("spoken").textContent = `${host.name}, ${states[host.state].words}, ${data.servers[host.server]} ${host.groups.join(", ")}`;
      },
    },
  });
}

// Controls.

function makeLegend() {
  const counts = states.map(() => 0);
  for (const host of hosts) counts[host.state] += 1;
  const items = states.map((state, index) => {
    if (counts[index] === 0) return null;
    const swatch = element("canvas", { width: "28", height: "28", "aria-hidden": "true" });
    const button = element("button", { type: "button", "aria-pressed": "false", "data-state": state.word },
      swatch, `${state.words} `, element("span", { class: "count" }, number(counts[index])));
    button.addEventListener("click", () => {
      const isOn = !sought.states.has(index);
      if (isOn) sought.states.add(index); else sought.states.delete(index);
      button.setAttribute("aria-pressed", String(isOn));
      find();
    });
    return element("li", {}, button);
  });
  $("legend").replaceChildren(...items.filter((item) => item !== null));
}

/** Canvases have no classes: their colours are drawn again. */
function recolour() {
  const ink = colours();
  for (const button of document.querySelectorAll("#legend button")) {
    const context = button.querySelector("canvas").getContext("2d");
    context.clearRect(0, 0, 28, 28);
    const state = states.find(({ word }) => word === button.dataset.state);
    if (hosts.length > 1500) drawPattern(context, state.tone, 0, 0, 28, ink); else drawSign(context, state, 0, 0, 28, ink);
  }
  if (picture?.width > 0) picture.draw();
}

function makeFilters() {
  const options = (select, values) => select.append(...values.map(([value, name]) => {
    const option = element("option", { value });
    option.textContent = name;
    return option;
  }));
  options($("server"), data.servers.map((name, index) => [String(index), name]));
  const groups = [...new Set(hosts.flatMap((host) => host.groups))].sort();
  options($("group"), groups.map((name) => [name, name]));
  let waiting = 0;
  $("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      sought.words = $("search").value.toLowerCase().split(/\s+/).filter((word) => word !== "");
      find();
    }, hosts.length > 2000 ? 150 : 0);
  });
  for (const name of ["server", "group", "order"]) {
    $(name).addEventListener("change", () => { sought[name] = $(name).value; find(); });
  }
  $("clear").addEventListener("click", () => {
    Object.assign(sought, { words: [], server: "", group: "" });
    sought.states.clear();
    for (const name of ["search", "server", "group"]) $(name).value = "";
    document.querySelectorAll("#legend button").forEach((button) => button.setAttribute("aria-pressed", "false"));
    find();
  });
  $("as-picture").addEventListener("click", () => look("picture"));
  $("as-table").addEventListener("click", () => look("table"));
}

function makeTheme() {
  for (const choice of document.querySelectorAll("input[name=theme]")) {
    choice.addEventListener("change", () => {
      if (choice.value === "") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = choice.value;
      recolour();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  // Paper is white.
  let chosen;
  addEventListener("beforeprint", () => { chosen = document.documentElement.dataset.theme; document.documentElement.dataset.theme = "light"; recolour(); });
  addEventListener("afterprint", () => {
    if (chosen === undefined) delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = chosen;
    recolour();
  });
}

document.querySelectorAll("[data-script]").forEach((one) => { one.hidden = false; });
makeChanges();
makeFindings();
if (hosts.length > 0) {
  makePicture();
  makeTable();
  makeLegend();
  makeFilters();
  look("picture");
  find();
  recolour();
}
makeTheme();
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("host").hidden) closeHost();
});

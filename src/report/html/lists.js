
// What is shown as text beside the picture: the table of hosts, the changes, the findings, a host's card.

// The table.

const COLUMNS = [
  ["name", (host) => host.name],
  ["state", (host) => host.state],
  ["server", (host) => data.servers[host.server]],
  ["groups", (host) => host.groups.join(", ")],
  ["addresses", (host) => host.addresses],
  ["seen", (host) => host.seen ?? -1],
];

function sortedHosts() {
  const value = COLUMNS.find(([name]) => name === found.sort)[1];
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const sorted = found.hosts.map((index) => [value(hosts[index]), index]);
  sorted.sort((a, b) => (found.down ? -1 : 1) * compare(a[0], b[0]) || a[1] - b[1]);
  return sorted.map(([, index]) => index);
}

function showTable() {
  const all = sortedHosts();
  found.from = Math.max(0, Math.min(found.from, Math.floor((all.length - 1) / PAGE) * PAGE));
  const rows = all.slice(found.from, found.from + PAGE).map((index) => {
    const host = hosts[index];
    const open = element("button", { type: "button", class: "open" }, said(host.name));
    open.addEventListener("click", () => showHost(index, open));
    return element("tr", {},
      element("th", { scope: "row" }, open),
      element("td", {}, ...stands(host.state)),
      element("td", {}, said(data.servers[host.server])),
      element("td", {}, said(host.groups.join(", "))),
      element("td", {}, host.addresses),
      element("td", {}, host.sensor === "" ? "" : instant(host.seen)));
  });
  $("rows").replaceChildren(...rows);
  const last = Math.min(found.from + PAGE, all.length);
  pages.said.textContent = all.length === 0 ? "no host" : `${number(found.from + 1)}–${number(last)} of ${number(all.length)}`;
  pages.back.disabled = found.from === 0;
  pages.on.disabled = last >= all.length;
}

const pages = {
  back: element("button", { type: "button" }, "Back"),
  on: element("button", { type: "button" }, "Next"),
  said: element("span", { class: "quiet", role: "status" }),
};

function makeTable() {
  const table = $("table");
  table.nextElementSibling?.matches(".cut") && table.nextElementSibling.remove();
  table.after(element("div", { class: "tools more", id: "pages" }, pages.back, pages.on, pages.said));
  const turn = (by) => () => { found.from += by; showTable(); };
  pages.back.addEventListener("click", turn(-PAGE));
  pages.on.addEventListener("click", turn(PAGE));
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const button = element("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const [name] = COLUMNS[column];
      found.down = found.sort === name && !found.down;
      found.sort = name;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", found.down ? "descending" : "ascending");
      found.from = 0;
      showTable();
    });
  });
}

function look(as) {
  const isPicture = as === "picture";
  $("as-picture").setAttribute("aria-pressed", String(isPicture));
  $("as-table").setAttribute("aria-pressed", String(!isPicture));
  $("picture").hidden = !isPicture;
  $("table").hidden = isPicture;
  $("pages").hidden = isPicture;
  if (isPicture) picture.lay();
}

// Changes.

const toneOf = { "+": "added", "−": "removed", "-": "removed", "~": "changed" };

function fact(name, ...value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, ...value));
}

function differences([lines, cut]) {
  const list = element("ul", { class: "diff" });
  for (const [mark, what, why, cause] of lines) {
    const code = document.createElement("code");
    code.textContent = what;
    list.append(element("li", { class: toneOf[mark] ?? "same" },
      element("span", { class: "sign" }, mark), code, " ", said(why), " ", element("span", { class: "cause" }, said(cause))));
  }
  if (cut > 0) list.append(element("li", { class: "cut" }, `… and ${number(cut)} more (--full shows all)`));
  return list;
}

function changeOf(change) {
  const summary = element("summary", {},
    element("span", { class: `mark ${toneOf[change.mark] ?? "same"}`, "aria-hidden": "true" }, change.mark), " ",
    element("span", { class: "word" }, change.word), " ",
    element("span", { class: "who" }, said(change.who)), " ",
    element("span", { class: "what" }, said(change.detail)));
  if (change.result !== "") summary.append(" ", element("span", { class: `result ${change.tone}` }, said(change.result)));
  const facts = element("dl", {}, fact("server", said(data.servers[change.server])), fact("step", change.step),
    fact("asked for by", said(change.cause)));
  if (change.reason !== "") facts.append(fact("reason", said(change.reason)));
  for (const note of change.notes) facts.append(fact("note", said(note)));
  const node = element("details", { class: "change" }, summary, facts);
  if (change.lines[0].length > 0) node.append(differences(change.lines));
  return node;
}

function showChanges() {
  const list = $("change-list");
  if (list === null) return;
  list.replaceChildren(...found.changes.slice(0, found.shown).map(changeOf));
  sayChanges();
}

function sayChanges() {
  const shown = Math.min(found.shown, found.changes.length);
  const of = found.changes.length === changes.length ? "" : ` that the filters leave of ${number(changes.length)}`;
  $("change-count").textContent = `${number(shown)} of ${number(found.changes.length)}${of}`;
  $("more-changes").hidden = shown >= found.changes.length;
}

function makeChanges() {
  const list = $("change-list");
  if (list === null) return;
  list.nextElementSibling?.matches(".cut") && list.nextElementSibling.remove();
  const more = element("button", { type: "button", class: "more", id: "more-changes" }, `Show ${PAGE} more`);
  list.after(more);
  more.addEventListener("click", () => {
    const next = found.changes.slice(found.shown, found.shown + PAGE).map(changeOf);
    found.shown += PAGE;
    list.append(...next);
    next[0]?.querySelector("summary").focus();
    sayChanges();
  });
  const fold = (isOpen) => () => list.querySelectorAll("details").forEach((one) => { one.open = isOpen; });
  $("unfold").addEventListener("click", fold(true));
  $("fold").addEventListener("click", fold(false));
}

// Findings that were cut.

function makeFindings() {
  for (const list of document.querySelectorAll("ul[data-kind]")) {
    const cut = list.nextElementSibling;
    if (!cut?.matches(".cut")) continue;
    const rest = findings.filter(({ kind }) => kind === list.dataset.kind).slice(list.children.length);
    const more = element("button", { type: "button", class: "more" });
    const say = () => { more.textContent = `Show ${Math.min(PAGE, rest.length)} of ${number(rest.length)} more`; };
    say();
    cut.replaceWith(more);
    more.addEventListener("click", () => {
      list.append(...rest.splice(0, PAGE).map(findingOf));
      if (rest.length > 0) say(); else more.remove();
    });
  }
}

function findingOf(finding) {
  const message = said(finding.message);
  const item = element("li", {}, element("span", { class: "sign", "aria-hidden": "true" }, finding.mark), " ");
  if (data.servers.length > 1) item.append(element("span", { class: "server" }, said(data.servers[finding.server])), " ");
  item.append(element("b", {}, said(finding.label)), " ", message);
  if (finding.cause !== "") item.append(" ", element("span", { class: "cause" }, said(finding.cause)));
  return item;
}

// A host's card.

let opener = null;

function showHost(index, from) {
  const host = hosts[index];
  const card = $("host");
  const close = element("button", { type: "button", class: "close" }, "Close");
  close.addEventListener("click", closeHost);
  const facts = element("dl", {}, fact("state", ...stands(host.state)), fact("server", said(data.servers[host.server])));
  const others = [["entry", host.entry], ["groups", host.groups.join(", ")], ["address", host.addresses], ["system", host.os], ["sensor id", host.sensor]];
  for (const [name, value] of others) if (value !== "") facts.append(fact(name, said(value)));
  if (host.sensor !== "") facts.append(fact("last contact", instant(host.seen)));
  card.replaceChildren(close, element("h2", { id: "host-title", tabindex: "-1" }, said(host.name)), facts);
  list(card, "Declared", host.aspects.map(({ aspect, state, note, cause }) => {
    const item = element("li", {}, ...stands(state), ` – ${aspect} `, element("span", { class: "cause" }, said(cause)));
    if (note !== "") item.append(element("br"), said(note));
    return item;
  }));
  list(card, "Changes", host.changes.map((one) => {
    const change = changes[one];
    const item = element("li", {}, `${change.mark} ${change.word} `, said(change.detail));
    if (change.result !== "") item.append(element("br"), element("span", { class: change.tone }, said(change.result)));
    if (change.lines[0].length > 0) item.append(differences(change.lines));
    return item;
  }));
  list(card, "Found", host.findings.map((one) => element("li", {}, `${findings[one].mark} `, said(findings[one].message))));
  card.hidden = false;
  opener = from;
  $("host-title").focus({ preventScroll: true });
}

function list(card, title, items) {
  if (items.length > 0) card.append(element("h3", {}, title), element("ul", {}, ...items));
}

function closeHost() {
  $("host").hidden = true;
  opener?.focus({ preventScroll: true });
}

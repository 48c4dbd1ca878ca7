// Drives a browser through the pages by its DevTools protocol, over a pipe: no package is needed. Called by .ci/browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [program, folder, shots] = process.argv.slice(2);
const PATIENCE = 60_000;

class Browser {
  constructor() {
    this.profile = mkdtempSync(join(tmpdir(), "kedrctl-browser-"));
    const flags = ["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,900",
      "--host-resolver-rules=MAP * ~NOTFOUND", `--user-data-dir=${this.profile}`];
    if (process.getuid?.() === 0) flags.push("--no-sandbox");
    this.child = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.last = 0;
    this.calls = new Map();
    this.listeners = [];
    let rest = "";
    this.child.stdio[4].setEncoding("utf8").on("data", (chunk) => {
      const parts = (rest + chunk).split("\0");
      rest = parts.pop();
      for (const part of parts) this.take(JSON.parse(part));
    });
    this.ended = new Promise((resolve) => { this.child.on("exit", resolve); });
  }

  take(message) {
    const call = this.calls.get(message.id);
    if (call === undefined) {
      this.listeners.forEach((listener) => listener(message));
      return;
    }
    this.calls.delete(message.id);
    if (message.error) call.reject(new Error(`${call.method}: ${message.error.message}`)); else call.resolve(message.result);
  }

  call(method, params = {}, sessionId = undefined) {
    this.last += 1;
    const id = this.last;
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => { this.calls.set(id, { method, resolve, reject }); });
  }

  async close() {
    this.child.kill();
    await this.ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One page in a tab of its own, with all that it asked for and complained about. */
class Tab {
  static async open(browser, name, { dark = false, scripts = true } = {}) {
    const tab = new Tab();
    Object.assign(tab, { browser, name, requests: [], complaints: [] });
    const { targetId } = await browser.call("Target.createTarget", { url: "about:blank" });
    ({ sessionId: tab.session } = await browser.call("Target.attachToTarget", { targetId, flatten: true }));
    tab.target = targetId;
    const loaded = new Promise((resolve) => {
      browser.listeners.push(({ sessionId, method, params }) => {
        if (sessionId !== tab.session) return;
        if (method === "Page.loadEventFired") resolve();
        if (method === "Network.requestWillBeSent") tab.requests.push(params.request.url);
        if (method === "Runtime.exceptionThrown") tab.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
        if (method === "Runtime.consoleAPICalled") tab.complaints.push(`console.${params.type}`);
        if (method === "Log.entryAdded") tab.complaints.push(params.entry.text);
        if (method === "Page.javascriptDialogOpening") tab.complaints.push(`dialog: ${params.message}`);
      });
    });
    for (const domain of ["Page", "Network", "Runtime", "Log"]) await tab.call(`${domain}.enable`);
    await tab.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    if (!scripts) await tab.call("Emulation.setScriptExecutionDisabled", { value: true });
    tab.url = pathToFileURL(join(folder, `${name}.html`)).href;
    await tab.call("Page.navigate", { url: tab.url });
    await loaded;
    return tab;
  }

  call(method, params) {
    return this.browser.call(method, params, this.session);
  }

  /** The value of an expression in the page. */
  async get(expression) {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    assert.equal(exceptionDetails, undefined, `${this.name}: ${expression}: ${exceptionDetails?.exception?.description}`);
    return result.value;
  }

  async until(expression, wanted) {
    const end = Date.now() + PATIENCE;
    let value;
    while (Date.now() < end) {
      value = await this.get(expression);
      if (value === wanted) return;
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
    assert.equal(value, wanted, `${this.name}: ${expression}`);
  }

  text(selector) {
    return this.get(`document.querySelector(${JSON.stringify(selector)}).textContent`);
  }

  /** A click of the mouse, as a person makes it. */
  async click(selector, [dx, dy] = [0.5, 0.5]) {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    const [x, y] = await this.get(`(() => {
      ${found}.scrollIntoView({ block: "center" });
      const { left, top, width, height } = ${found}.getBoundingClientRect();
      return [left + (${dx} <= 1 ? width * ${dx} : ${dx}), top + (${dy} <= 1 ? height * ${dy} : ${dy})];
    })()`);
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.call("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
    }
  }

  async press(key, code = 0) {
    for (const type of ["keyDown", "keyUp"]) {
      await this.call("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: code, text: key === "Enter" && type === "keyDown" ? "\r" : undefined });
    }
  }

  async type(selector, text) {
    await this.get(`document.querySelector(${JSON.stringify(selector)}).focus()`);
    await this.call("Input.insertText", { text });
  }

  async shot(suffix = "") {
    if (!shots) return;
    const { data } = await this.call("Page.captureScreenshot", { format: "png" });
    writeFileSync(join(shots, `${this.name}${suffix}.png`), Buffer.from(data, "base64"));
  }

  /** Nothing was loaded but the page, and nothing was wrong with it. */
  async close() {
    assert.deepEqual([...new Set(this.requests)], [this.url], `${this.name} loads nothing`);
    assert.deepEqual(this.complaints, [], `${this.name} complains of nothing`);
    await this.browser.call("Target.closeTarget", { targetId: this.target });
  }
}

/** Texts whose contrast is below what WCAG 2 asks for (AA, 4.5), with their colours. */
const FAINT = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (walker.currentNode.textContent.trim() === "" || !node.checkVisibility() || node.closest("script, title, :disabled")) continue;
    const style = getComputedStyle(node);
    const ink = channels(node.closest("svg") ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(behind(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(walker.currentNode.textContent.slice(0, 40) + " " + style.color + " on " + behind(node));
  }
  return faint;
})()`;

async function everyPage(browser, names) {
  for (const name of names) {
    for (const dark of [false, true]) {
      const tab = await Tab.open(browser, name, { dark });
      assert.deepEqual(await tab.get(FAINT), [], `${name}: contrast, ${dark ? "dark" : "light"}`);
      assert.equal(await tab.get("document.documentElement.scrollWidth <= innerWidth"), true, `${name} does not scroll sideways`);
      await tab.shot(dark ? "-dark" : "-light");
      await tab.close();
    }
  }
}

async function searchAndFilters(browser) {
  const tab = await Tab.open(browser, "small");
  await tab.until("document.querySelector('#match').textContent", "33 hosts");
  await tab.type("#search", "ws-04 DESKS");
  await tab.until("document.querySelector('#match').textContent", "10 of 33 hosts");
  await tab.click("#clear");
  await tab.until("document.querySelector('#match').textContent", "33 hosts");
  await tab.click("[data-state=differs]");
  await tab.until("document.querySelector('#match').textContent", "1 of 33 hosts");
  assert.equal(await tab.get("document.querySelector('[data-state=differs]').getAttribute('aria-pressed')"), "true");
  assert.equal(await tab.get("document.querySelectorAll('.change').length"), 2, "the changes of that host");
  assert.match(await tab.text("#change-count"), /^2 of 2 that the filters leave of 12$/);
  await tab.click("[data-state=in_sync]");
  await tab.until("document.querySelector('#match').textContent", "23 of 33 hosts");
  await tab.click("#clear");
  await tab.get("(() => { const group = document.querySelector('#group'); group.value = 'pci'; group.dispatchEvent(new Event('change')); })()");
  await tab.until("document.querySelector('#match').textContent", "12 of 33 hosts");
  await tab.close();
}

async function tableAndPages(browser) {
  const tab = await Tab.open(browser, "fleet");
  await tab.click("#as-table");
  assert.equal(await tab.get("document.querySelector('#picture').checkVisibility()"), false);
  assert.equal(await tab.get("document.querySelectorAll('#rows tr').length"), 100);
  const states = "[...document.querySelectorAll('#rows tr')].map((row) => row.children[1].textContent.trim())";
  assert.match((await tab.get(states))[0], /unknown|differs/, "the worst first");
  await tab.click("#table thead th:first-child button");
  assert.match(await tab.text("#rows tr th"), /^WS-00000/);
  await tab.click("#table thead th:first-child button");
  assert.equal(await tab.get("document.querySelector('#table thead th').getAttribute('aria-sort')"), "descending");
  assert.match(await tab.text("#rows tr th"), /^WS-00599/);
  await tab.click("#pages button:nth-child(2)");
  assert.equal(await tab.text("#pages span"), "101–200 of 600");
  await tab.click("#rows .open");
  assert.match(await tab.text("#host h2"), /^WS-00499/);
  await tab.shot("-table");
  await tab.press("Escape", 27);
  assert.equal(await tab.get("document.activeElement.className"), "open", "the focus goes back to where it was");
  await tab.close();
}

async function folding(browser) {
  const tab = await Tab.open(browser, "small");
  const open = () => tab.get("document.querySelectorAll('.change[open]').length");
  assert.equal(await open(), 0);
  await tab.click(".change:first-child summary");
  assert.equal(await open(), 1);
  assert.match(await tab.text(".change[open] .diff"), /lets through outbound udp/);
  await tab.click("#unfold");
  assert.equal(await open(), 12);
  await tab.shot("-unfolded");
  await tab.click("#fold");
  assert.equal(await open(), 0);
  await tab.get("document.querySelector('.change summary').focus()");
  await tab.press("Enter", 13);
  assert.equal(await open(), 1, "by the keyboard too");
  await tab.close();
  const large = await Tab.open(browser, "fleet");
  const count = await large.get("document.querySelectorAll('#first ul[data-kind=undeclared] li').length");
  assert.equal(count, 8);
  await large.click("#first ul[data-kind=undeclared] + .more");
  assert.equal(await large.get("document.querySelector('#first ul[data-kind=undeclared] + .more')"), null, "all are shown");
  await large.close();
}

async function colours(browser) {
  const tab = await Tab.open(browser, "small");
  const page = () => tab.get("getComputedStyle(document.body).backgroundColor");
  const picture = () => tab.get("document.querySelector('#canvas').toDataURL()");
  const [light, drawn] = [await page(), await picture()];
  await tab.click("input[value=dark]");
  assert.notEqual(await page(), light);
  assert.notEqual(await picture(), drawn, "the picture is drawn again");
  assert.deepEqual(await tab.get(FAINT), []);
  await tab.click("input[value=light]");
  assert.deepEqual([await page(), await picture()], [light, drawn]);
  await tab.call("Page.printToPDF", {});
  assert.equal(await page(), light, "paper changes nothing");
  await tab.close();
}

async function keyboard(browser) {
  const tab = await Tab.open(browser, "small");
  const at = () => tab.get("document.activeElement.id");
  await tab.press("Tab", 9);
  assert.equal(await tab.get("document.activeElement.className"), "skip", "the first stop leads to the report");
  for (let presses = 0; presses < 80 && (await at()) !== "canvas"; presses += 1) await tab.press("Tab", 9);
  assert.equal(await at(), "canvas", "the picture is reached by Tab");
  assert.match(await tab.text("#spoken"), /^WS-040.corp.example, in sync, hq desks$/);
  await tab.press("ArrowRight", 39);
  assert.match(await tab.text("#spoken"), /^WS-041/);
  await tab.press("End", 35);
  const last = await tab.text("#spoken");
  await tab.press("ArrowRight", 39);
  assert.equal(await tab.text("#spoken"), last, "it ends at the end");
  await tab.press("Home", 36);
  await tab.press("Enter", 13);
  assert.equal(await at(), "host-title");
  assert.match(await tab.text("#host"), /WS-040.corp.example.*sensor id00000000-0000-0028/s);
  await tab.shot("-card");
  await tab.press("Escape", 27);
  assert.equal(await at(), "canvas");
  assert.equal(await tab.get("document.querySelector('#host').hidden"), true);
  // By the mouse, on the first tile of the picture.
  await tab.click("#canvas", [40, 34]);
  assert.match(await tab.text("#host h2"), /^WS-040/);
  await tab.call("Accessibility.enable");
  const { nodes } = await tab.call("Accessibility.getFullAXTree");
  const roles = ["button", "link", "textbox", "searchbox", "combobox", "radio", "application", "dialog", "region"];
  const nameless = nodes.filter(({ ignored, role, name }) => !ignored && roles.includes(role?.value) && !name?.value);
  assert.deepEqual(nameless.map(({ role, nodeId }) => `${role.value} ${nodeId}`), [], "everything has a name");
  await tab.close();
}

async function large(browser) {
  const tab = await Tab.open(browser, "large");
  await tab.until("document.querySelector('#match').textContent", "19,998 hosts");
  const elements = await tab.get("document.querySelectorAll('*').length");
  assert.ok(elements < 10_000, `${elements} elements for 19,998 hosts`);
  await tab.type("#search", "ws-19997");
  await tab.until("document.querySelector('#match').textContent", "1 of 19,998 hosts");
  await tab.click("#clear");
  await tab.get("document.querySelector('#fleet').scrollIntoView()");
  await tab.shot("-fleet");
  await tab.close();
}

async function hostile(browser) {
  const tab = await Tab.open(browser, "hostile");
  assert.deepEqual(await tab.get("[document.scripts.length, document.images.length, document.querySelectorAll('[onclick], [onerror]').length]"), [2, 0, 0]);
  await tab.click("#unfold");
  await tab.click("#as-table");
  const count = await tab.get("document.querySelectorAll('#rows .open').length");
  for (let index = 1; index <= count; index += 1) await tab.click(`#rows tr:nth-child(${index}) .open`);
  const names = await tab.get("[...document.querySelectorAll('#rows th')].map((name) => name.textContent)");
  assert.ok(names.includes("</script><script>throw 'x'</script>"), names.join("\n"));
  assert.deepEqual(await tab.get("[document.scripts.length, document.images.length]"), [2, 0]);
  await tab.shot("-open");
  await tab.close();
}

async function withoutScript(browser) {
  const tab = await Tab.open(browser, "small", { scripts: false });
  assert.equal(await tab.get("document.querySelector('#picture').checkVisibility()"), false);
  assert.equal(await tab.get("document.querySelectorAll('#rows tr').length"), 33);
  assert.equal(await tab.get("document.querySelectorAll('.change').length"), 12);
  assert.equal(await tab.get("[...document.querySelectorAll('button, input, select')].some((one) => one.checkVisibility())"), false, "nothing that would do nothing");
  await tab.click(".change summary");
  assert.equal(await tab.get("document.querySelectorAll('.change[open]').length"), 1);
  await tab.shot("-without-script");
  await tab.close();
}

const pages = ["small", "refused", "executed", "hostile", "nothing", "fleet", "large", "compliance"];
const tests = { searchAndFilters, tableAndPages, folding, colours, keyboard, large, hostile, withoutScript };
const browser = new Browser();
let failed = 0;
const check = async (name, test) => {
  try {
    await test();
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`wrong ${name}\n${error.stack}`);
  }
};
try {
  await Promise.race([
    (async () => {
      await check("every page", () => everyPage(browser, pages));
      for (const [name, test] of Object.entries(tests)) await check(name, () => test(browser));
    })(),
    browser.ended.then((code) => { throw new Error(`the browser ended with ${code}`); }),
  ]);
} finally {
  await browser.close();
}
process.exitCode = failed === 0 ? 0 : 1;

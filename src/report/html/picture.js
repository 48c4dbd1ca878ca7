
// The fleet as a picture: one canvas, however many hosts there are. Nothing in it is an element, so that a hundred
// thousand hosts cost a hundred thousand small copies of an image, and no handlers.

const TILE = { width: 204, height: 26, gap: 4 };

/** How large a cell is, for so many of them: with names while there is room for them, with signs, or as patterns. */
function sizeFor(count) {
  if (count <= 160) return TILE;
  if (count <= 1500) return { width: 20, height: 20, gap: 2 };
  if (count <= 6000) return { width: 12, height: 12, gap: 1 };
  if (count <= 60000) return { width: 8, height: 8, gap: 1 };
  return { width: 5, height: 5, gap: 1 };
}

/** The colours of the page as it is shown now. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["bad", "doubt", "kept", "foreign", "pending", "fine", "none", "cell", "surface", "page", "text", "quiet", "line", "strong"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** A square that tells its tone by its pattern, too. */
function drawPattern(context, tone, x, y, size, ink) {
  const colour = ink[tone];
  const edge = Math.max(1, Math.round(size / 8));
  const border = () => {
    context.strokeStyle = colour;
    context.lineWidth = edge;
    context.strokeRect(x + edge / 2, y + edge / 2, size - edge, size - edge);
  };
  context.fillStyle = colour;
  switch (tone) {
    case "bad":
      context.fillRect(x, y, size, size);
      context.strokeStyle = ink.page;
      context.lineWidth = edge;
      context.beginPath();
      context.moveTo(x + edge, y + size - edge);
      context.lineTo(x + size - edge, y + edge);
      context.stroke();
      break;
    case "doubt":
      border();
      context.fillRect(x + size / 2 - edge, y + size / 2 - edge, 2 * edge, 2 * edge);
      break;
    case "kept":
      context.fillRect(x, y, size, size);
      context.fillStyle = ink.page;
      context.fillRect(x + edge, y + (size - edge) / 2, size - 2 * edge, edge);
      break;
    case "foreign":
      border();
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x, y + size);
      context.lineTo(x + size, y + size);
      context.fill();
      break;
    case "pending":
      border();
      context.fillRect(x, y + size / 2, size, size / 2);
      break;
    case "fine":
      context.fillStyle = ink.cell;
      context.fillRect(x, y, size, size);
      break;
    default:
      context.strokeStyle = ink.strong;
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  }
}

/** A square of the colour of its tone, with the sign of its state. */
function drawSign(context, state, x, y, size, ink) {
  const isPale = state.tone === "fine" || state.tone === "none";
  context.fillStyle = isPale ? ink.cell : ink[state.tone];
  if (state.tone === "none") {
    drawPattern(context, "none", x, y, size, ink);
  } else {
    context.fillRect(x, y, size, size);
  }
  if (state.mark === "" || state.mark === "·") return;
  context.fillStyle = isPale ? ink.text : ink.page;
  context.font = `600 ${Math.round(size * 0.8)}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(state.mark, x + size / 2, y + size / 2 + size * 0.04);
}

class Picture {
  /** `on`: what to do when a host is chosen or come to; `hosts` and `states` as the page has them. */
  constructor({ canvas, cursor, hover, hosts, states, on }) {
    Object.assign(this, { canvas, cursor, hover, hosts, states, on });
    this.sections = [];
    this.order = [];
    this.current = -1;
    canvas.addEventListener("click", (event) => {
      const place = this.placeAt(event.offsetX, event.offsetY);
      if (place < 0) return;
      this.moveTo(place);
      on.choose(this.order[place]);
    });
    canvas.addEventListener("pointermove", (event) => this.point(event.offsetX, event.offsetY));
    canvas.addEventListener("pointerleave", () => { hover.hidden = true; });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => { if (this.order.length > 0) this.moveTo(Math.max(this.current, 0)); });
    canvas.addEventListener("blur", () => { cursor.hidden = true; });
    new ResizeObserver(() => { if (canvas.clientWidth !== this.width) this.lay(); }).observe(canvas.parentElement);
  }

  /** Shows these hosts: `[{ title, hosts: [number…] }]`. */
  show(sections) {
    this.sections = sections.map(({ title, hosts }) => ({ title, count: hosts.length, first: 0, top: 0 }));
    this.order = sections.flatMap(({ hosts }) => hosts);
    this.current = -1;
    this.cursor.hidden = true;
    this.hover.hidden = true;
    this.lay();
  }

  lay() {
    this.width = this.canvas.parentElement.clientWidth;
    if (this.width === 0) return;
    this.size = sizeFor(this.order.length);
    const { width, height, gap } = this.size;
    this.columns = Math.max(1, Math.floor((this.width + gap) / (width + gap)));
    let first = 0;
    let top = 0;
    for (const section of this.sections) {
      section.first = first;
      section.top = top + 22;
      first += section.count;
      top = section.top + Math.ceil(section.count / this.columns) * (height + gap) + 14;
    }
    this.height = Math.max(top, 1);
    this.draw();
  }

  draw() {
    // Browsers have a largest canvas; the picture gets coarser before it would be lost.
    const scale = Math.min(devicePixelRatio || 1, 16000 / this.height);
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.height * scale);
    this.canvas.style.height = `${this.height}px`;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    const ink = colours();
    const stamps = this.size === TILE ? [] : this.stamps(ink, scale);
    for (const section of this.sections) {
      context.fillStyle = ink.quiet;
      context.font = "13px system-ui, sans-serif";
      context.textAlign = "left";
      context.textBaseline = "alphabetic";
      context.fillText(`${section.title}   ${section.count.toLocaleString("en")}`, 0, section.top - 7, this.width);
      for (let place = section.first; place < section.first + section.count; place += 1) {
        const [x, y] = this.cornerOf(place, section);
        const host = this.hosts[this.order[place]];
        if (this.size === TILE) {
          this.drawTile(context, host, x, y, ink);
        } else {
          context.drawImage(stamps[host.state], x, y, this.size.width, this.size.height);
        }
      }
    }
  }

  drawTile(context, host, x, y, ink) {
    const { width, height } = this.size;
    context.fillStyle = ink.surface;
    context.fillRect(x, y, width, height);
    drawSign(context, this.states[host.state], x, y, height, ink);
    context.fillStyle = ink.text;
    context.font = "13px system-ui, sans-serif";
    context.textAlign = "left";
    context.textBaseline = "middle";
    const room = width - height - 13;
    let name = host.name.slice(0, 60);
    if (name !== host.name || context.measureText(name).width > room) {
      while (name !== "" && context.measureText(`${name}…`).width > room) name = name.slice(0, -1);
      name += "…";
    }
    context.fillText(name, x + height + 7, y + height / 2 + 1);
  }

  /** One image for each state. */
  stamps(ink, scale) {
    return this.states.map((state) => {
      const stamp = document.createElement("canvas");
      stamp.width = Math.max(1, Math.round(this.size.width * scale));
      stamp.height = stamp.width;
      const context = stamp.getContext("2d");
      context.scale(stamp.width / this.size.width, stamp.width / this.size.width);
      if (this.size.width >= 16) {
        drawSign(context, state, 0, 0, this.size.width, ink);
      } else {
        drawPattern(context, state.tone, 0, 0, this.size.width, ink);
      }
      return stamp;
    });
  }

  sectionOf(place) {
    return this.sections.find((section) => place < section.first + section.count);
  }

  cornerOf(place, section) {
    const { width, height, gap } = this.size;
    const within = place - section.first;
    return [(within % this.columns) * (width + gap), section.top + Math.floor(within / this.columns) * (height + gap)];
  }

  /** The place under a point, or -1. */
  placeAt(x, y) {
    const { width, height, gap } = this.size;
    const section = this.sections.findLast((one) => y >= one.top);
    const column = Math.floor(x / (width + gap));
    if (!section || column >= this.columns || x < 0) return -1;
    const within = Math.floor((y - section.top) / (height + gap)) * this.columns + column;
    return within < section.count ? section.first + within : -1;
  }

  point(x, y) {
    const place = this.placeAt(x, y);
    this.hover.hidden = place < 0;
    if (place < 0) return;
    const host = this.hosts[this.order[place]];
    this.hover.textContent = `${host.name} – ${this.states[host.state].words}`;
    this.hover.style.left = `${Math.max(0, Math.min(x + 14, this.width - 300))}px`;
    this.hover.style.top = `${y + 18}px`;
  }

  key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      this.moveTo(this.current + steps[event.key]);
    } else if ((event.key === "Enter" || event.key === " ") && this.current >= 0) {
      event.preventDefault();
      this.on.choose(this.order[this.current]);
    }
  }

  moveTo(place) {
    if (this.order.length === 0) return;
    this.current = Math.max(0, Math.min(this.order.length - 1, place));
    const [x, y] = this.cornerOf(this.current, this.sectionOf(this.current));
    Object.assign(this.cursor.style, {
      left: `${x - 2}px`, top: `${y - 2}px`, width: `${this.size.width + 4}px`, height: `${this.size.height + 4}px`,
    });
    this.cursor.hidden = false;
    this.cursor.scrollIntoView({ block: "nearest" });
    this.on.come(this.order[this.current]);
  }
}

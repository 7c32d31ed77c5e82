// Draws a layer on a canvas: tiles of pooled cells, or cells themselves, lines between types, names beside them.

/** Anchors of the scales, from weak to strong: magma (matplotlib, CC0), cut where it would be lost on the background. */
const MAGMA = {
  light: "f3655cf05f5eeb5760e04c67d6446dc43c75b73779a8327d952c80882781782281691c80581781490f713d0f711e1149130d34",
  dark: "a83279ab337cb83779c53c74d3436edf4a68e95462f1605df7705cfa7f5efc8e64fe9f6dfeae77febd82fecc8ffddc9efdebac",
};
/** Negative weights, from weak to strong: blues, which no eye takes for those. */
const BLUES = { light: "5590cc538dca4b86c43c78b82d6aab1f5c9d124e8e083f7d04316a02244f", dark: "3f7fc44f8fd1609fdc74afe589bfeca0cef2b6dbf6c9e6f9" };
/** Positive weights beside negative ones: reds, which are no darker and no lighter than those blues. */
const REDS = { light: "d9705cd0604fc65043bb4037ae302d9f21268e14207c0a1a690414560010", dark: "c2503fcc6150d57262de8575e69888edab9df3c0b4f9d6cd" };

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Where the selection stands beside the matrix, and the pixels that it has there at least, as in view.css. */
const wide = matchMedia("(min-width: 80rem)");
const PANEL = 480;

/** 256 colours between anchors, as bytes of red, green, blue. */
function ramp(anchors) {
  const stops = anchors.match(/.{6}/g).map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(at), stops.length - 2);
    return stops[first].map((part, channel) => Math.round(part + (at - first) * (stops[first + 1][channel] - part)));
  });
}

/** What a value looks like. */
class Colours {
  constructor(range, logarithmic, signed) {
    const theme = dark.matches ? "dark" : "light";
    [this.least, this.most] = range;
    this.logarithmic = logarithmic && this.least > 0;
    this.positive = ramp((signed ? REDS : MAGMA)[theme]);
    this.negative = ramp(BLUES[theme]);
    this.width = this.logarithmic ? Math.log(this.most / this.least) : this.most;
  }

  of(value) {
    const size = Math.abs(value);
    const part = this.logarithmic ? Math.log(size / this.least) / this.width : size / this.width;
    const place = this.width > 0 ? Math.max(0, Math.min(255, Math.round(part * 255))) : 255;
    return (value < 0 ? this.negative : this.positive)[place];
  }

  /** Cells as a picture; those without a value are clear. */
  paint(cells, rows, columns) {
    const made = document.createElement("canvas");
    [made.width, made.height] = [columns, rows];
    const image = new ImageData(columns, rows);
    const { data } = image;
    for (let i = 0; i < cells.length; i++) {
      if (cells[i] === 0) continue;
      const colour = this.of(cells[i]);
      data[4 * i] = colour[0];
      data[4 * i + 1] = colour[1];
      data[4 * i + 2] = colour[2];
      data[4 * i + 3] = 255;
    }
    made.getContext("2d").putImageData(image, 0, 0);
    return made;
  }
}

const TILE = 256;
const MOST_TILES = 320;
/** Milliseconds of a frame that new tiles may take; the others are drawn in the next frames. */
const PER_FRAME = 14;

class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.logarithmic = true;
    this.view = { top: 0, left: 0, height: 1, width: 1 };
    this.marks = { cursor: null, selection: null, found: [null, null] };
    this.asked = false;
  }

  show(layer) {
    this.layer = layer;
    this.recolour();
    this.resize();
  }

  recolour() {
    this.colours = new Colours(this.layer.extent(), this.logarithmic, this.layer.told.signed);
    this.layer.tiles.clear();
    this.pictures = null;
    this.redraw();
  }

  get shape() { return [this.layer.sides[0].length, this.layer.sides[1].length]; }

  whole() { return { top: 0, left: 0, height: Math.max(1, this.shape[0]), width: Math.max(1, this.shape[1]) }; }

  /** Fit the canvas to the page, which empties it: a square matrix is square, as long as there is room. */
  resize() {
    const ratio = window.devicePixelRatio || 1;
    const main = this.canvas.closest("main");
    const box = wide.matches ? main.clientWidth - PANEL : this.canvas.parentElement.clientWidth;
    this.narrow = box < 600;
    this.margin = this.narrow ? { left: 64, top: 64 } : { left: 120, top: 112 };
    const above = this.canvas.getBoundingClientRect().top + window.scrollY;
    const room = { width: box - this.margin.left - 8, height: Math.max(420, window.innerHeight - above - 16) - this.margin.top - 8 };
    const [rows, columns] = this.shape;
    const side = Math.min(1.6, Math.max(0.4, rows / Math.max(1, columns)));
    const width = Math.max(160, Math.min(room.width, room.height / side));
    const height = width * side;
    const [full, tall] = [width + this.margin.left + 8, height + this.margin.top + 8].map(Math.floor);
    main.style.setProperty("--plot", `${full}px`);
    this.canvas.style.width = `${full}px`;
    this.canvas.style.height = `${tall}px`;
    this.canvas.width = Math.round(full * ratio);
    this.canvas.height = Math.round(tall * ratio);
    this.ratio = ratio;
    this.area = { x: this.margin.left, y: this.margin.top, width: full - this.margin.left - 8, height: tall - this.margin.top - 8 };
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.draw(); });
  }

  /** Look at another part, which stays inside of the matrix. */
  look({ top, left, height, width }) {
    const [rows, columns] = this.shape.map((length) => Math.max(1, length));
    const least = (length) => Math.min(length, 2);
    height = Math.min(rows, Math.max(least(rows), height));
    width = Math.min(columns, Math.max(least(columns), width));
    this.view = { top: Math.min(rows - height, Math.max(0, top)), left: Math.min(columns - width, Math.max(0, left)), height, width };
    this.redraw();
  }

  zoom(factor, x, y) {
    const { area, view } = this;
    const across = x === undefined ? 0.5 : (x - area.x) / area.width;
    const down = y === undefined ? 0.5 : (y - area.y) / area.height;
    const [height, width] = [view.height / factor, view.width / factor];
    this.look({ top: view.top + (view.height - height) * down, left: view.left + (view.width - width) * across, height, width });
  }

  /** Row and column under a point, clamped to what is shown; null outside of the matrix. */
  cellAt(x, y, clamp = false) {
    const { area, view } = this;
    let across = (x - area.x) / area.width;
    let down = (y - area.y) / area.height;
    if (clamp) [across, down] = [across, down].map((part) => Math.min(1 - 1e-9, Math.max(0, part)));
    if (!(across >= 0 && across < 1 && down >= 0 && down < 1)) return null;
    const row = Math.floor(view.top + down * view.height);
    const column = Math.floor(view.left + across * view.width);
    const [rows, columns] = this.shape;
    return row < rows && column < columns ? { row, column } : null;
  }

  x(column) { return this.area.x + ((column - this.view.left) / this.view.width) * this.area.width; }

  y(row) { return this.area.y + ((row - this.view.top) / this.view.height) * this.area.height; }

  /** How often cells have to be halved so that one is a pixel or more. */
  levels() {
    const perCell = [(this.area.height * this.ratio) / this.view.height, (this.area.width * this.ratio) / this.view.width];
    return perCell.map((pixels) => Math.max(0, Math.ceil(-Math.log2(pixels) - 1e-9)));
  }

  /** Places of the rectangle that a pixel at a cell stands for. */
  pixel({ row, column }) {
    const [down, across] = this.levels().map((level) => 2 ** level);
    const [top, left] = [Math.floor(row / down) * down, Math.floor(column / across) * across];
    const [rows, columns] = this.shape;
    return { top, left, bottom: Math.min(rows, top + down), right: Math.min(columns, left + across) };
  }

  draw() {
    const { context, canvas, area, ratio } = this;
    if (!this.layer) return;
    const style = getComputedStyle(document.documentElement);
    this.ink = Object.fromEntries(["paper", "ink", "soft", "line", "mark"].map((name) => [name, style.getPropertyValue(`--${name}`)]));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = this.ink.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.save();
    context.beginPath();
    context.rect(area.x, area.y, area.width, area.height);
    context.clip();
    context.imageSmoothingEnabled = false;
    this.drawCells();
    this.drawLines();
    this.drawMarks();
    context.restore();
    context.strokeStyle = this.ink.line;
    context.lineWidth = 1;
    context.strokeRect(area.x - 0.5, area.y - 0.5, area.width + 1, area.height + 1);
    drawNames(this);
  }

  drawCells() {
    const { layer, view } = this;
    const [down, across] = this.levels();
    const [rows, columns] = this.shape;
    if (!rows || !columns) return;
    const far = this.isFar(down, across);
    if (!layer.ready || far) {
      this.drawOverview();
      return;
    }
    const [high, wide] = [TILE * 2 ** down, TILE * 2 ** across];
    const wanted = [];
    for (let i = Math.floor(view.top / high); i * high < view.top + view.height && i * high < rows; i++)
      for (let j = Math.floor(view.left / wide); j * wide < view.left + view.width && j * wide < columns; j++) wanted.push([i, j]);
    const start = performance.now();
    const found = wanted.map(([i, j]) => this.tile(down, across, i, j, performance.now() - start < PER_FRAME));
    if (found.includes(null)) {
      this.drawOverview();
      this.redraw();
    }
    this.waiting = found.includes(null);
    found.forEach((tile, place) => {
      if (tile === null) return;
      const [i, j] = wanted[place];
      this.picture(tile, this.x(j * wide), this.y(i * high), this.x((j + 1) * wide), this.y((i + 1) * high));
    });
  }

  /** Whether a pixel is so coarse that the overview, which leaves nothing out, shows what the page has no entries for. */
  isFar(down, across) {
    const { layer } = this;
    if (!layer.told.left_out || !layer.smallerOverviews().length) return false;
    const [rows, columns] = this.shape;
    const cells = layer.told.overview;
    return this.view.height * cells[0] >= 0.6 * rows * Math.min(cells[0], this.area.height * this.ratio)
      && this.view.width * cells[1] >= 0.6 * columns * Math.min(cells[1], this.area.width * this.ratio) && down + across > 0;
  }

  tile(down, across, i, j, make) {
    const { tiles } = this.layer;
    const key = `${down} ${across} ${i} ${j}`;
    let found = tiles.get(key);
    if (found === undefined) {
      if (!make) return null;
      found = this.colours.paint(this.layer.pooled(down, across, i, j, TILE), TILE, TILE);
      if (tiles.size >= MOST_TILES) tiles.delete(tiles.keys().next().value);
    } else tiles.delete(key);
    tiles.set(key, found); // the last used are the last
    return found;
  }

  /** Draw a picture with its edges on pixels, so that neighbours neither overlap nor leave gaps. */
  picture(image, left, top, right, bottom) {
    const [x, y, x2, y2] = [left, top, right, bottom].map((at) => Math.round(at * this.ratio) / this.ratio);
    this.context.fillStyle = this.ink.paper;
    this.context.fillRect(x, y, x2 - x, y2 - y);
    this.context.drawImage(image, x, y, x2 - x, y2 - y);
  }

  /** The overview, or the largest of the smaller ones of which each cell is a pixel or more. */
  drawOverview() {
    const all = this.layer.smallerOverviews();
    if (!all.length) return;
    const [rows, columns] = this.shape;
    const full = all[0];
    const fits = ({ span }) => this.area.width * this.ratio * columns * span >= this.view.width * full.columns
      && this.area.height * this.ratio * rows * span >= this.view.height * full.rows;
    const place = Math.max(0, all.findIndex(fits));
    const one = all[place];
    this.pictures ??= [];
    this.pictures[place] ??= this.colours.paint(one.cells, one.rows, one.columns);
    this.picture(this.pictures[place], this.x(0), this.y(0), this.x((columns * one.columns * one.span) / full.columns),
      this.y((rows * one.rows * one.span) / full.rows));
  }

  /** Lines between blocks, where these are not too narrow to be told apart. */
  drawLines() {
    const { context, area, layer } = this;
    if (layer.name !== "neurons" || layer.order !== "given") return;
    context.strokeStyle = this.ink.line;
    context.globalAlpha = 0.55;
    context.lineWidth = 1;
    context.beginPath();
    layer.sides.forEach((side, axis) => {
      const at = axis === 0 ? (bound) => this.y(bound) : (bound) => this.x(bound);
      for (let type = 0; type < side.types.length; type++) {
        const [start, stop] = [at(side.bounds[type]), at(side.bounds[type + 1])];
        if (stop < 0 || stop - start < 8) continue;
        for (const line of [Math.round(start) + 0.5, Math.round(stop) + 0.5])
          if (axis === 0) { context.moveTo(area.x, line); context.lineTo(area.x + area.width, line); }
          else { context.moveTo(line, area.y); context.lineTo(line, area.y + area.height); }
      }
    });
    context.stroke();
    context.globalAlpha = 1;
  }

  drawMarks() {
    const { context, area, marks } = this;
    const box = (top, bottom, left, right) => {
      const [x, y] = [this.x(left), this.y(top)];
      context.strokeRect(x, y, Math.max(2, this.x(right) - x), Math.max(2, this.y(bottom) - y));
    };
    context.strokeStyle = this.ink.mark;
    context.fillStyle = this.ink.mark;
    marks.found.forEach((place, axis) => {
      if (place === null) return;
      context.globalAlpha = 0.35;
      const start = axis === 0 ? this.y(place) : this.x(place);
      const size = Math.max(3, (axis === 0 ? this.y(place + 1) : this.x(place + 1)) - start);
      if (axis === 0) context.fillRect(area.x, start, area.width, size);
      else context.fillRect(start, area.y, size, area.height);
      context.globalAlpha = 1;
    });
    if (marks.selection) {
      // No fill: it would change the colours, which are to be read.
      const { top, bottom, left, right } = marks.selection;
      context.strokeStyle = this.ink.paper;
      context.lineWidth = 5;
      box(top, bottom, left, right);
      context.strokeStyle = this.ink.mark;
      context.lineWidth = 2;
      box(top, bottom, left, right);
    }
    if (marks.cursor) {
      const { top, bottom, left, right } = this.pixel(marks.cursor);
      context.lineWidth = 2;
      context.strokeStyle = this.ink.ink;
      box(top, bottom, left, right);
    }
  }
}

/** Text that fits, in an isolated direction, without characters that are no text; of long IDs the end, which differs. */
function fitted(context, text, room) {
  let shown = text.slice(0, 200).replace(/\p{Cc}/gu, " ");
  const wrap = (part) => `\u2068${part}\u2069`;
  if (shown === text && context.measureText(wrap(shown)).width <= room) return wrap(shown);
  const letters = Array.from(shown);
  const cut = /^[0-9]{6,}$/.test(text)
    ? (number) => `…${letters.slice(letters.length - number).join("")}`
    : (number) => `${letters.slice(0, number).join("")}…`;
  let [low, high] = [0, letters.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(wrap(cut(middle))).width <= room) low = middle;
    else high = middle - 1;
  }
  return low === letters.length && shown === text ? wrap(shown) : wrap(cut(low));
}

/** The part of the room for a name that the type of a neuron may take. */
const TYPE_PART = 0.45;

/** Names beside the axes: of neurons with their types (or of types) where there is room, else of blocks of types. */
function drawNames(plot) {
  const { context, area, layer, view } = plot;
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const axis of [0, 1]) {
    const side = layer.sides[axis];
    const [start, length, pixels] = axis === 0 ? [view.top, view.height, area.height] : [view.left, view.width, area.width];
    const room = (axis === 0 ? area.x : area.y) - 22;
    const spans = namedSpans(layer, side, axis, start, length, pixels / length);
    context.fillStyle = plot.ink.ink;
    let last = -Infinity;
    for (const { from, to, text, type, block } of spans) {
      const [a, b] = [Math.max(start, from), Math.min(start + length, to)].map((at) => (axis === 0 ? plot.y(at) : plot.x(at)));
      const middle = (a + b) / 2;
      if (middle - last < 12) continue;
      last = middle;
      context.save();
      if (axis === 0) context.translate(area.x - 6, middle);
      else { context.translate(middle, area.y - 6); context.rotate(-Math.PI / 2); }
      if (block) { context.strokeStyle = plot.ink.soft; context.beginPath(); context.moveTo(2, axis === 0 ? a - middle + 1 : -(b - middle) + 1);
        context.lineTo(2, axis === 0 ? b - middle - 1 : -(a - middle) - 1); context.stroke(); }
      context.textAlign = axis === 0 ? "right" : "left";
      const beside = type ? fitted(context, type, room * TYPE_PART) : "";
      const taken = type ? context.measureText(beside).width + 6 : 0;
      const name = fitted(context, text, room - taken);
      const step = context.measureText(name).width + 6;
      context.fillText(name, axis === 0 ? -2 : 4, 0);
      context.fillStyle = plot.ink.soft;
      context.fillText(beside, axis === 0 ? -2 - step : 4 + step, 0);
      context.restore();
    }
  }
  context.fillStyle = plot.ink.soft;
  context.textAlign = "left";
  context.fillText(plot.narrow ? "post →" : "postsynaptic →", area.x, 7);
  context.save();
  context.translate(7, area.y);
  context.rotate(-Math.PI / 2);
  context.textAlign = "right";
  context.fillText(plot.narrow ? "← pre" : "← presynaptic", 0, 0);
  context.restore();
}

/** What can be named of an axis: from, to, text, and the type of a neuron. */
function namedSpans(layer, side, axis, start, length, pixels) {
  const made = [];
  if (pixels >= 12) {
    for (let place = Math.floor(start); place < Math.min(side.length, start + length); place++) {
      const item = layer.item(axis, place);
      const type = layer.name === "neurons" ? side.types[side.typeAt(item)] : undefined;
      made.push({ from: place, to: place + 1, text: side.ids[item], type });
    }
    return made;
  }
  if (layer.name !== "neurons" || layer.order !== "given") return made;
  for (let type = Math.max(0, side.typeAt(Math.floor(start))); type < side.types.length; type++) {
    const [from, to] = [side.bounds[type], side.bounds[type + 1]];
    if (from >= start + length) break;
    if ((Math.min(to, start + length) - Math.max(from, start)) * pixels >= 12) made.push({ from, to, text: side.types[type], block: true });
  }
  return made;
}

// What the user does, and what is said of it.

const byId = (id) => document.getElementById(id);
const MOST_SHOWN = 200;
const MOST_SAVED = 1000000;
const isTypes = () => state.layer.name === "types";
const state = { layers: {}, sides: [], layer: null, path: [], sort: null, busy: false };
const plot = new Plot(byId("plot"));

const count = (number) => number.toLocaleString("en-US");
const amount = (number) => {
  if (Number.isInteger(number)) return count(number);
  return Math.abs(number) < 1e-3 ? number.toExponential(2) : String(Number(number.toPrecision(5)));
};
const several = (number, thing) => `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
const known = (number) => (Number.isNaN(number) ? "none" : amount(number));
const signed = (number) => (number > 0 ? `+${amount(number)}` : amount(number));
const percent = (part) => `${Number((100 * part).toPrecision(3))} %`;

function element(name, text, more = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return Object.assign(made, more);
}

/** A name as text of whatever direction, which turns nothing around it. */
function nameOf(text) { return element("bdi", text); }

function say(text) { byId("status").textContent = text; }

// -- what is shown

const unit = about.quantity === "synapses" ? about.quantity : `a ${about.quantity}`;
const { compared } = about;
const things = compared?.groups ? "group" : "neuron";
const fraction = about.quantity.startsWith("fraction");
const pair = compared ? "listed pair" : "connected pair";

const quantity = () => {
  const layer = byId("layer").value;
  const kind = byId("kind").value;
  if (layer === "mean") return `mean ${about.quantity} per pair of neurons`;
  if (compared) return kind === "count" ? `${about.quantity} (${compared.b} − ${compared.a})` : kind;
  if (fraction) return about.quantity;
  return { count: about.quantity, input: "fraction of the input shown", output: "fraction of the output shown" }[kind];
};

function showBar() {
  const canvas = byId("bar");
  const context = canvas.getContext("2d");
  const { colours } = plot;
  context.clearRect(0, 0, canvas.width, canvas.height);
  const empty = !colours.most;
  byId("bar-box").style.visibility = empty ? "hidden" : "visible";
  if (empty) return;
  const signed = state.layer.told.signed;
  for (let x = 0; x < canvas.width; x++) {
    const at = x / (canvas.width - 1);
    const colour = signed ? (at < 0.5 ? colours.negative : colours.positive)[Math.round(Math.abs(2 * at - 1) * 255)] : colours.positive[Math.round(at * 255)];
    context.fillStyle = `rgb(${colour})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
  byId("low").textContent = amount(signed ? -colours.most : colours.logarithmic ? colours.least : 0);
  byId("high").textContent = amount(colours.most);
  byId("bar-name").textContent = `${quantity()}, strongest per pixel`;
}

function showSize() {
  const { layer } = state;
  const [rows, columns] = plot.shape.map(count);
  const { entries } = layer.told;
  const pairs = several(entries, pair);
  const colours = compared ? ` Red is more in ${compared.b}, blue is less.` : "";
  const untyped = state.sides.map((side) => side.length - side.bounds[side.types.length]);
  byId("size").textContent = about.layers.neurons.most === null
    ? `No ${compared ? "differences" : "connections"}: there is nothing to see in ${rows} × ${columns} ${things}s (${about.ledger}).`
    : isTypes()
      ? `${rows} presynaptic × ${columns} postsynaptic types, ${pairs}; ${several(untyped[0], "presynaptic neuron")} and `
        + `${count(untyped[1])} postsynaptic without a type are ${compared || fraction ? "not among them" : "in fractions, and nowhere else"}.${colours}`
      : `${rows} presynaptic × ${columns} postsynaptic ${things}s, ${pairs} (${about.ledger}).${colours}`;
  const told = layer.told;
  byId("left-out").hidden = !told.left_out;
  if (told.left_out)
    byId("left-out").textContent = `Left out: ${count(told.left_out)} of ${count(entries)} pairs, all with ${unit} of at most `
      + `${amount(told.up_to)}. They are in the picture of the whole${compared || fraction ? "" : ", and in all fractions"}, and not in close-ups, `
      + "orders, other values, or tables.";
}

async function change(work) {
  state.busy = true;
  document.body.setAttribute("aria-busy", "true");
  say("Working…");
  await pause();
  await work();
  state.busy = false;
  document.body.removeAttribute("aria-busy");
  showBar();
  showSize();
  const part = about.parts ? `${about.name}, ` : "";
  say(`Shown: ${part}${byId("layer").selectedOptions[0].textContent}, ${quantity()}.`);
}

async function showLayer() {
  const chosen = byId("layer").value;
  const next = state.layers[chosen === "neurons" ? "neurons" : "types"];
  const mean = chosen === "mean";
  byId("kind").disabled = mean || (compared !== null && next.name === "types") || byId("kind").length < 2;
  if (byId("kind").disabled) byId("kind").value = "count";
  const kind = mean ? "mean" : byId("kind").value;
  const other = next !== state.layer;
  state.layer = next;
  if (other) fillOrders();
  await next.setOrder(byId("order").value);
  if (next.kind !== kind) next.setKind(kind);
  clearMarks();
  plot.show(next);
  if (other) {
    state.path = [];
    enter(isTypes() ? "All types" : `All ${things}s`, plot.whole());
  }
}

function fillOrders() {
  const names = { type: "by type", file: "as in the file", id: compared?.groups ? "by name" : "by ID", weight: compared ? "by total change" : "by total weight" };
  const given = isTypes() ? "type" : about.given;
  const list = byId("order");
  list.replaceChildren(new Option(names[given], "given"));
  for (const name of [...Object.keys(state.layer.orders), "weight"]) if (name !== given) list.append(new Option(names[name], name));
}

// -- where the user is

function enter(name, view) {
  state.path.push({ name, view });
  plot.look(view);
  showPath();
}

function back(place) {
  state.path.length = place + 1;
  plot.look(state.path[place].view);
  showPath();
}

function showPath() {
  byId("crumbs").replaceChildren(...state.path.map(({ name }, place) => {
    const item = element("li");
    const button = element("button", undefined, { type: "button" });
    button.append(nameOf(name));
    if (place === state.path.length - 1) button.setAttribute("aria-current", "location");
    button.addEventListener("click", () => back(place));
    item.append(button);
    return item;
  }));
}

/** The block of types under a cell, unless all that is shown lies in it. */
function blockAt({ row, column }) {
  const { layer } = state;
  if (layer.name !== "neurons" || layer.order !== "given") return null;
  const [source, target] = layer.sides;
  const [from, to] = [source.typeAt(row), target.typeAt(column)];
  if (from < 0 || to < 0) return null;
  const view = {
    top: source.bounds[from], left: target.bounds[to],
    height: source.bounds[from + 1] - source.bounds[from], width: target.bounds[to + 1] - target.bounds[to],
  };
  const current = plot.view;
  const inside = current.top >= view.top && current.left >= view.left
    && current.top + current.height <= view.top + Math.max(2, view.height) && current.left + current.width <= view.left + Math.max(2, view.width);
  return inside ? null : { name: `${source.types[from]} → ${target.types[to]}`, view };
}

/** Go into the block of a cell; of a pair of types, to its neurons. */
async function goInto(cell) {
  if (isTypes()) {
    const [from, to] = [state.layer.item(0, cell.row), state.layer.item(1, cell.column)];
    byId("layer").value = "neurons";
    byId("order").value = "given";
    await change(async () => {
      await showLayer();
      const [source, target] = state.layer.sides;
      enter(`${source.types[from]} → ${target.types[to]}`, {
        top: source.bounds[from], left: target.bounds[to],
        height: source.bounds[from + 1] - source.bounds[from], width: target.bounds[to + 1] - target.bounds[to],
      });
    });
    return;
  }
  const block = blockAt(cell);
  if (block) enter(block.name, block.view);
  else select({ top: cell.row, bottom: cell.row + 1, left: cell.column, right: cell.column + 1 });
}

// -- what is under the pointer

function definition(list, term, ...what) {
  const value = element("dd");
  value.append(...what);
  list.append(element("dt", term), value);
}

/** What to say of the strongest pair of a pixel. */
function describe(cell) {
  const { layer } = state;
  const { top, bottom, left, right } = plot.pixel(cell);
  const { best, number } = layer.strongest(top, bottom, left, right);
  const pairs = (bottom - top) * (right - left);
  const list = element("dl");
  const names = (axis, place) => {
    const item = layer.item(axis, place);
    const side = layer.sides[axis];
    const type = layer.name === "neurons" ? side.typeAt(item) : -1;
    return [nameOf(side.ids[item]), ...(type < 0 ? [] : [" (", nameOf(side.types[type]), ")"])];
  };
  const { row, column } = best ?? cell;
  definition(list, "pre", ...names(0, row));
  definition(list, "post", ...names(1, column));
  if (best) {
    const told = layer.describe(row, column, best.at);
    for (const [name, value] of Object.entries(told.beside)) definition(list, name, known(value));
    definition(list, about.quantity, compared ? signed(best.weight) : amount(best.weight));
    if (told.mean !== null) definition(list, "mean", `${amount(told.mean)} per pair of neurons`);
    if (!compared && !fraction) {
      definition(list, "of input", percent(told.input));
      definition(list, "of output", percent(told.output));
    }
  } else definition(list, about.quantity, !layer.ready ? "still unpacking" : layer.told.left_out ? `none above ${amount(layer.told.up_to)}` : "none");
  if (about.viewer && !isTypes()) definition(list, "viewer", "V shows both neurons");
  if (pairs > 1 && best) definition(list, "here", `the strongest of ${several(number, pair)}, of ${count(pairs)} pairs in this pixel`);
  return list;
}

function showTip(cell, x, y) {
  const tip = byId("tip");
  tip.replaceChildren(describe(cell));
  tip.hidden = false;
  const box = plot.canvas.parentElement;
  const [width, height] = [tip.offsetWidth, tip.offsetHeight];
  tip.style.left = `${Math.max(0, x + 16 + width > box.clientWidth ? x - width - 12 : x + 16)}px`;
  tip.style.top = `${Math.max(0, y + 16 + height > plot.canvas.clientHeight ? y - height - 12 : y + 16)}px`;
}

function hideTip() { byId("tip").hidden = true; }

// -- the data set's viewer

const VIEWER_MARKS = /[!'()*]/g;

/** The address that shows two neurons in the viewer, as crantcli writes it; null where there is none. IDs stay text. */
function viewerLink(pre, post) {
  const { viewer } = about;
  if (!viewer || isTypes() || !/^[0-9]+$/.test(pre) || !/^[0-9]+$/.test(post)) return null;
  const state = pre === post ? viewer.alone : viewer.pair;
  const filled = state.replaceAll(viewer.ids[0], pre).replaceAll(viewer.ids[1], post);
  const text = encodeURIComponent(filled).replace(VIEWER_MARKS, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${viewer.url}#!${text}`;
}

function linkTo(href, text, name) {
  const link = element("a", text, { href, target: "_blank", rel: "noopener noreferrer" });
  link.setAttribute("aria-label", name);
  return link;
}

/** The strongest pair at a cell, in the viewer. */
function openPair(cell) {
  const { layer } = state;
  const { top, bottom, left, right } = plot.pixel(cell);
  const { row, column } = layer.strongest(top, bottom, left, right).best ?? cell;
  const [pre, post] = [layer.sides[0].ids[layer.item(0, row)], layer.sides[1].ids[layer.item(1, column)]];
  const href = viewerLink(pre, post);
  if (href === null) return;
  linkTo(href, "", "").click();
  say(`Opened ${pre} and ${post} in the viewer.`);
}

// -- a selection, as a table and as files

function clearMarks() {
  plot.marks = { cursor: null, selection: null, found: [null, null] };
  byId("selection").hidden = true;
  hideTip();
}

/** Walk through the entries of the selection: row, column, and which entry it is. */
function* entriesOf({ top, bottom, left, right }) {
  const { matrix } = state.layer;
  for (let row = top; row < bottom; row++)
    for (let i = matrix.find(row, left); i < matrix.starts[row + 1] && matrix.places[i] < right; i++)
      yield [row, matrix.places[i], i];
}

function select(rectangle) {
  const { layer } = state;
  plot.marks.selection = rectangle;
  plot.redraw();
  let number = 0;
  let sum = 0;
  let kept = [];
  let least = 0;
  const connected = [new Set(), new Set()];
  const strongestFirst = (a, b) => Math.abs(b[3]) - Math.abs(a[3]) || a[0] - b[0] || a[1] - b[1];
  const numbers = layer.numbers();
  for (const [row, column, at] of entriesOf(rectangle)) {
    number++;
    sum += layer.matrix.weights[at];
    connected[0].add(row);
    connected[1].add(column);
    const value = layer.valueOf(numbers[at], row, column);
    if (kept.length >= MOST_SHOWN && Math.abs(value) <= least) continue;
    kept.push([row, column, at, value]);
    if (kept.length > 20 * MOST_SHOWN) {
      kept = kept.sort(strongestFirst).slice(0, MOST_SHOWN);
      least = Math.abs(kept[MOST_SHOWN - 1][3]);
    }
  }
  kept = kept.sort(strongestFirst).slice(0, MOST_SHOWN);
  const { top, bottom, left, right } = rectangle;
  const what = isTypes() ? "types" : `${things}s`;
  byId("selected").textContent = `${count(bottom - top)} × ${count(right - left)} ${what}: ${several(number, pair)}, `
    + `${about.quantity} ${amount(sum)}${number > MOST_SHOWN ? `; the ${MOST_SHOWN} strongest` : ""}`
    + (layer.told.left_out ? `; pairs with ${unit} of at most ${amount(layer.told.up_to)} are not in this page` : "");
  state.selected = { rectangle, number, connected };
  state.rows = kept.map(([row, column, at]) => layer.describe(row, column, at));
  state.sort = null;
  byId("save-csv").disabled = number === 0 || number > MOST_SAVED;
  byId("save-csv").title = number > MOST_SAVED ? `More than ${count(MOST_SAVED)} pairs: select fewer` : "";
  for (const [axis, name] of ["pre", "post"].entries()) {
    const button = byId(`save-${name}`);
    const ids = idsOf(axis).length;
    button.textContent = `Save ${several(ids, `${name}synaptic ${compared?.groups ? "name" : "ID"}`)}`;
    button.disabled = ids === 0;
  }
  byId("selection").hidden = false;
  showTable();
}

/** Columns of the table, and of the CSV. */
function columns() {
  const { layer } = state;
  const type = (axis, item) => layer.sides[axis].types[layer.sides[axis].typeAt(item)] ?? "";
  const [source, target] = layer.sides;
  const typed = layer.name === "neurons" && about.sorted;
  return [
    { name: isTypes() ? "pre_type" : "pre", text: (told) => source.ids[told.source] },
    ...(typed ? [{ name: "pre_type", text: (told) => type(0, told.source) }] : []),
    { name: isTypes() ? "post_type" : "post", text: (told) => target.ids[told.target] },
    ...(typed ? [{ name: "post_type", text: (told) => type(1, told.target) }] : []),
    ...Object.keys(layer.matrix.beside).map((name) => ({ name, number: (told) => told.beside[name], show: known })),
    compared ? { name: "difference", number: (told) => told.weight, show: signed } : { name: "weight", number: (told) => told.weight, show: amount },
    ...(isTypes() ? [{ name: "mean", number: (told) => told.mean, show: amount }] : []),
    ...(compared || fraction ? [] : [
      { name: "fraction_of_input_shown", short: "of input", number: (told) => told.input, show: percent },
      { name: "fraction_of_output_shown", short: "of output", number: (told) => told.output, show: percent },
    ]),
  ];
}

function showTable() {
  const shown = columns();
  byId("head").replaceChildren(...shown.map((column, place) => {
    const cell = element("th", undefined, { scope: "col", className: column.number ? "number" : "" });
    const sorted = state.sort?.place === place ? (state.sort.down ? "descending" : "ascending") : "none";
    cell.setAttribute("aria-sort", sorted);
    const arrow = { descending: " ▼", ascending: " ▲", none: "" }[sorted];
    const button = element("button", `${(column.short ?? column.name).replaceAll("_", " ")}${arrow}`, { type: "button" });
    button.addEventListener("click", () => sortBy(place));
    cell.append(button);
    return cell;
  }));
  const linked = Boolean(about.viewer) && !isTypes();
  if (linked) byId("head").append(element("th", "viewer", { scope: "col" }));
  byId("rows").replaceChildren(...state.rows.map((told) => {
    const line = element("tr");
    for (const column of shown) {
      const cell = element("td", column.number ? column.show(column.number(told)) : undefined);
      if (column.number) cell.className = "number";
      else {
        cell.append(nameOf(column.text(told)));
        cell.title = column.text(told);
      }
      line.append(cell);
    }
    if (linked) {
      const [pre, post] = [told.source, told.target].map((item, axis) => state.layer.sides[axis].ids[item]);
      const href = viewerLink(pre, post);
      const cell = element("td");
      if (href !== null) cell.append(linkTo(href, "open ↗", `Open ${pre} and ${post} in the viewer, in a new tab`));
      line.append(cell);
    }
    return line;
  }));
}

/** Order of names: numbers in them by their size, whatever their length. */
const names = new Intl.Collator("en", { numeric: true });

function sortBy(place) {
  const column = columns()[place];
  const down = state.sort?.place === place ? !state.sort.down : Boolean(column.number);
  const size = (told) => { const value = column.number(told); return Number.isNaN(value) ? -Infinity : value; };
  const compare = column.number ? (a, b) => (size(a) === size(b) ? 0 : size(a) - size(b)) : (a, b) => names.compare(column.text(a), column.text(b));
  state.rows = state.rows.toSorted((a, b) => (down ? compare(b, a) : compare(a, b)));
  state.sort = { place, down };
  showTable();
  byId("head").children[place].firstChild.focus();
}

/** IDs of the neurons of one side that have a connection in the selection; of types, of all their neurons. */
function idsOf(axis) {
  const { layer } = state;
  const items = [...state.selected.connected[axis]].sort((a, b) => a - b).map((place) => layer.item(axis, place));
  const side = state.sides[axis];
  if (!isTypes()) return items.map((item) => side.ids[item]);
  return items.flatMap((type) => side.ids.slice(side.bounds[type], side.bounds[type + 1]));
}

function save(name, parts, type) {
  const link = element("a", undefined, { download: name, href: URL.createObjectURL(new Blob(parts, { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say(`Saved as ${name}.`);
}

const quoted = (text) => (/[",\n\r]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function saveCsv() {
  const number = (value) => (Number.isNaN(value) ? "" : String(value));
  const listed = columns();
  const parts = [`${listed.map(({ name }) => name).join(",")}\n`];
  let lines = [];
  for (const [row, column, at] of entriesOf(state.selected.rectangle)) {
    const told = state.layer.describe(row, column, at);
    lines.push(listed.map((one) => (one.number ? number(one.number(told)) : quoted(one.text(told)))).join(","));
    if (lines.length === 10000) {
      parts.push(`${lines.join("\n")}\n`);
      lines = [];
    }
  }
  if (lines.length) parts.push(`${lines.join("\n")}\n`);
  const least = state.layer.told.left_out ? `_above_${state.layer.told.up_to}` : "";
  save(`selection${least}.csv`, parts, "text/csv");
}

// -- search

function search() {
  const asked = byId("search").value.trim().toLowerCase();
  const list = byId("found");
  const results = [];
  const most = 12;
  if (asked) {
    const sides = about.square ? [[state.sides[0], null]] : state.sides.map((side, axis) => [side, axis]);
    for (const test of [(text) => text === asked, (text) => text.startsWith(asked), (text) => text.includes(asked)])
      for (const [side, axis] of sides) {
        side.types.forEach((type, item) => results.length < most && test(type.toLowerCase()) && results.push({ type: item, axis, text: type }));
        for (let item = 0; item < side.length && results.length < most; item++)
          if (test(side.ids[item].toLowerCase())) results.push({ item, axis, text: side.ids[item] });
      }
  }
  const seen = new Set();
  state.results = results.filter((one) => {
    const key = `${one.axis} ${one.type ?? "-"} ${one.item ?? "-"}`;
    return !seen.has(key) && seen.add(key);
  });
  list.replaceChildren(...state.results.map((one, place) => {
    const item = element("li", undefined, { id: `found-${place}` });
    item.setAttribute("role", "option");
    const side = state.sides[one.axis ?? 0];
    const type = one.item === undefined ? -1 : side.typeAt(one.item);
    const kind = one.item === undefined ? `type, ${several(side.bounds[one.type + 1] - side.bounds[one.type], "neuron")}` : type < 0 ? things : side.types[type];
    const where = one.axis === null ? "" : [", presynaptic", ", postsynaptic"][one.axis];
    const small = element("small", " ");
    small.append(nameOf(kind), where);
    item.append(nameOf(one.text), small);
    item.addEventListener("mousedown", (event) => { event.preventDefault(); goTo(one); });
    return item;
  }));
  list.hidden = !state.results.length;
  byId("search").setAttribute("aria-expanded", String(Boolean(state.results.length)));
  state.chosen = -1;
  if (asked) say(state.results.length ? `${state.results.length} found` : "nothing found");
}

function choose(step) {
  if (!state.results?.length) return;
  state.chosen = (state.chosen + step + state.results.length) % state.results.length;
  [...byId("found").children].forEach((item, place) => item.setAttribute("aria-selected", String(place === state.chosen)));
  byId("search").setAttribute("aria-activedescendant", `found-${state.chosen}`);
}

function closeFound() {
  byId("found").hidden = true;
  byId("search").setAttribute("aria-expanded", "false");
  byId("search").removeAttribute("aria-activedescendant");
}

async function goTo(one) {
  closeFound();
  if (isTypes() || (one.item === undefined && byId("order").value !== "given")) {
    byId("layer").value = "neurons";
    byId("order").value = "given";
    await change(showLayer);
  }
  const { layer } = state;
  const axes = one.axis === null ? [0, 1] : [one.axis];
  const view = { ...plot.view };
  plot.marks.found = [null, null];
  for (const axis of axes) {
    const side = layer.sides[axis];
    const [start, length] = axis === 0 ? ["top", "height"] : ["left", "width"];
    if (one.item === undefined) {
      if (one.axis !== null || axis === 0) {
        view[start] = side.bounds[one.type];
        view[length] = side.bounds[one.type + 1] - side.bounds[one.type];
      }
      if (axis === 0) [view.left, view.width] = [0, layer.sides[1].length];
      else [view.top, view.height] = [0, layer.sides[0].length];
    } else {
      const place = layer.place(axis, one.item);
      plot.marks.found[axis] = place;
      if (view[length] > 120) view[length] = 120;
      view[start] = place + 0.5 - view[length] / 2;
    }
    if (one.item === undefined) break;
  }
  enter(one.text, view);
  plot.canvas.focus();
  say(`At ${one.text}`);
}

// -- pointer and keys

function listen() {
  const { canvas } = plot;
  const pointers = new Map();
  let drag = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const rectangle = (a, b) => ({
    top: Math.min(a.row, b.row), bottom: Math.max(a.row, b.row) + 1, left: Math.min(a.column, b.column), right: Math.max(a.column, b.column) + 1,
  });
  /** From the pixels of two cells, all that they stand for. */
  const between = (a, b) => {
    const [one, other] = [plot.pixel(a), plot.pixel(b)];
    return rectangle({ row: Math.min(one.top, other.top), column: Math.min(one.left, other.left) },
      { row: Math.max(one.bottom, other.bottom) - 1, column: Math.max(one.right, other.right) - 1 });
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (state.busy || event.button > 1) return;
    const [x, y] = at(event);
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size > 1) { drag = null; return; }
    const cell = plot.cellAt(x, y);
    if (!cell) return;
    canvas.setPointerCapture(event.pointerId);
    const moves = byId("drag").value === "move" || event.button === 1 || event.pointerType === "touch";
    drag = { x, y, cell, moves: moves !== event.shiftKey, view: { ...plot.view }, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (pointers.has(event.pointerId) && pointers.size === 2) {
      const spread = () => { const [[a, b], [c, d]] = [...pointers.values()]; return [Math.hypot(a - c, b - d), (a + c) / 2, (b + d) / 2]; };
      const [before] = spread();
      pointers.set(event.pointerId, [x, y]);
      const [after, middleX, middleY] = spread();
      if (before > 0) plot.zoom(after / before, middleX, middleY);
      return;
    }
    if (drag) {
      if (Math.hypot(x - drag.x, y - drag.y) > 4) drag.moved = true;
      if (!drag.moved) return;
      hideTip();
      if (drag.moves) {
        const { view } = drag;
        plot.look({ ...view, top: view.top - ((y - drag.y) / plot.area.height) * view.height, left: view.left - ((x - drag.x) / plot.area.width) * view.width });
      } else {
        plot.marks.selection = between(drag.cell, plot.cellAt(x, y, true));
        plot.redraw();
      }
      return;
    }
    const cell = state.busy ? null : plot.cellAt(x, y);
    plot.marks.cursor = cell;
    plot.redraw();
    if (cell) showTip(cell, x, y);
    else hideTip();
  });
  const end = (event) => {
    pointers.delete(event.pointerId);
    if (!drag) return;
    const { cell, moved, moves } = drag;
    drag = null;
    if (event.type === "pointercancel") return;
    if (!moved) {
      if (event.pointerType === "touch") showTip(cell, ...at(event));
      else goInto(cell);
    } else if (!moves) select(plot.marks.selection);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => { if (!drag) { plot.marks.cursor = null; plot.redraw(); hideTip(); } });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = at(event);
    plot.zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(0.4, Math.abs(event.deltaY) / 400)), x, y);
    hideTip();
  }, { passive: false });
  let anchor = null;
  canvas.addEventListener("keydown", (event) => {
    if (state.busy || event.ctrlKey || event.metaKey || event.altKey) return;
    const { view } = plot;
    const [down, across] = plot.levels().map((level) => 2 ** level);
    const steps = { ArrowUp: [-down, 0], ArrowDown: [down, 0], ArrowLeft: [0, -across], ArrowRight: [0, across] };
    const key = event.key;
    if (steps[key]) {
      const [rows, columns] = plot.shape;
      const { row, column } = plot.marks.cursor ?? { row: Math.floor(view.top + view.height / 2), column: Math.floor(view.left + view.width / 2) };
      if (!rows || !columns) return;
      if (event.shiftKey) anchor ??= { row, column };
      else anchor = null;
      const cell = {
        row: Math.max(0, Math.min(rows - 1, row + steps[key][0])), column: Math.max(0, Math.min(columns - 1, column + steps[key][1])),
      };
      plot.marks.cursor = cell;
      const follow = (place, start, length) => (place < start ? place : place + 1 > start + length ? place + 1 - length : start);
      plot.look({ ...view, top: follow(cell.row, view.top, view.height), left: follow(cell.column, view.left, view.width) });
      showTip(cell, plot.x(cell.column), plot.y(cell.row));
      if (anchor) select(between(anchor, cell));
      else say([...byId("tip").querySelectorAll("dt")].map((term) => `${term.textContent} ${term.nextSibling.textContent}`).join(", "));
    } else if (key === "+" || key === "=") plot.zoom(1.5);
    else if (key === "-" || key === "_") plot.zoom(1 / 1.5);
    else if (key === "Home") back(0);
    else if (key === "Escape") {
      if (plot.marks.selection) clearMarks();
      else back(Math.max(0, state.path.length - 2));
      plot.redraw();
    } else if (key === "Enter" && plot.marks.cursor) goInto(plot.marks.cursor);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    const other = event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName);
    if (other || state.busy || event.key.toLowerCase() !== "v" || !plot.marks.cursor) return;
    openPair(plot.marks.cursor);
  });
  byId("in").addEventListener("click", () => plot.zoom(1.5));
  byId("out").addEventListener("click", () => plot.zoom(1 / 1.5));
  byId("fit").addEventListener("click", () => back(0));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("part").addEventListener("change", () => change(showPart));
  for (const id of ["layer", "kind", "order"]) byId(id).addEventListener("change", () => change(showLayer));
  byId("scale").addEventListener("change", () => change(async () => {
    plot.logarithmic = byId("scale").value === "log";
    plot.recolour();
  }));
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("blur", closeFound);
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(1);
    else if (event.key === "ArrowUp") choose(-1);
    else if (event.key === "Escape") closeFound();
    else if (event.key === "Enter" && state.results?.length) goTo(state.results[Math.max(0, state.chosen)]);
    else return;
    event.preventDefault();
  });
  byId("save-csv").addEventListener("click", saveCsv);
  byId("save-pre").addEventListener("click", () => save("presynaptic.txt", [idsOf(0).map((id) => `${id}\n`).join("")], "text/plain"));
  byId("save-post").addEventListener("click", () => save("postsynaptic.txt", [idsOf(1).map((id) => `${id}\n`).join("")], "text/plain"));
  byId("enter").addEventListener("click", () => {
    const { top, bottom, left, right } = state.selected.rectangle;
    enter(`${count(bottom - top)} × ${count(right - left)}`, { top, left, height: bottom - top, width: right - left });
  });
  byId("clear").addEventListener("click", () => { clearMarks(); plot.redraw(); });
  // It is told before the page is painted, so that the canvas is never seen empty.
  new ResizeObserver(() => {
    if (!plot.layer) return;
    plot.resize();
    plot.draw();
  }).observe(byId("plot-box"));
  dark.addEventListener("change", () => { plot.recolour(); showBar(); });
}

// -- start

function showFirst(layers, sides) {
  Object.assign(state, { layers, sides, layer: layers.neurons, path: [], selected: null, results: [] });
  const list = byId("layer");
  list.replaceChildren(new Option(`${things}s`, "neurons"));
  if (layers.types) list.append(new Option("sums per pair of types", "sum"), new Option("means per pair of types", "mean"));
  const { least, most } = about.layers.neurons;
  plot.logarithmic = most > 10 * least;
  byId("scale").value = plot.logarithmic ? "log" : "linear";
  fillOrders();
  clearMarks();
  plot.show(state.layer);
  enter(`All ${things}s`, plot.whole());
  showBar();
  showSize();
}

/** What can be drawn of entries, where that is not weights and fractions of them. */
function fillKinds() {
  if (!compared && !fraction) return;
  const more = compared ? compared.measures.map(({ name }) => new Option(name, name)) : [];
  byId("kind").replaceChildren(new Option(about.quantity, "count"), ...more);
}

// -- several matrices, of which one is shown

/** Show the matrix that was chosen: the same layer, values, order and colours, where it has them. */
async function showPart() {
  const place = byId("part").selectedIndex;
  const chosen = Object.fromEntries(["layer", "kind", "order", "scale"].map((id) => [id, byId(id).value]));
  const has = (id) => [...byId(id).options].some(({ value }) => value === chosen[id]);
  byId("search").value = "";
  closeFound();
  turnTo(place);
  if (state.parts[place]) showFirst(...state.parts[place]);
  else {
    await load(showFirst);
    state.parts[place] = [state.layers, state.sides];
    fillOrders();
  }
  for (const id of ["layer", "kind"]) if (has(id)) byId(id).value = chosen[id];
  await showLayer();
  if (has("order") && byId("order").value !== chosen.order) {
    byId("order").value = chosen.order;
    await showLayer();
  }
  byId("scale").value = chosen.scale;
  plot.logarithmic = chosen.scale === "log";
  plot.recolour();
}

async function start() {
  byId("title").textContent = about.title;
  byId("record").textContent = JSON.stringify(JSON.parse(about.record), null, 2);
  state.busy = true;
  document.body.setAttribute("aria-busy", "true");
  for (const control of byId("controls").elements) control.disabled = true;
  say("Unpacking…");
  fillKinds();
  await load(showFirst);
  state.parts = [[state.layers, state.sides]];
  if (about.parts) {
    byId("part-box").hidden = false;
    byId("part").replaceChildren(...about.parts.map(({ name }) => new Option(name, name)));
  }
  fillOrders();
  for (const control of byId("controls").elements) control.disabled = false;
  byId("kind").disabled = byId("kind").length < 2;
  state.busy = false;
  document.body.removeAttribute("aria-busy");
  listen();
  plot.redraw();
  say("Ready.");
}

start().catch((error) => {
  const told = byId("left-out");
  told.hidden = false;
  told.textContent = `This page cannot be read (${error.message}); make it again.`;
  throw error;
});

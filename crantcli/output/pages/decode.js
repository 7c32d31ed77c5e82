"use strict";
// Reads what packing.py has packed. IDs stay text; nothing here makes a number of one.

const about = JSON.parse(document.getElementById("about").textContent);

/** What the names of streams start with, where there are several matrices. */
let prefix = "";

/** From here on, all is about another of several matrices. */
function turnTo(place) {
  Object.assign(about, about.parts[place]);
  prefix = `${place}.`;
}

if (about.parts) turnTo(0);

/** Let the page draw and listen before a long loop goes on. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 0));

/** Seven bits of each character; those that HTML would change are written as others. */
function fromText(text) {
  const found = new Uint8Array(Math.floor((text.length * 7) / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code > 127) code = code === 0xc0 ? 0 : code === 0xc1 ? 13 : 60;
    bits = ((bits << 7) | code) & 0x3fff;
    held += 7;
    if (held >= 8) {
      held -= 8;
      found[at++] = bits >> held;
    }
  }
  return found;
}

/** The bytes of a stream; null where the page has none of that name. Its text is let go. */
async function bytesOf(name) {
  const element = document.querySelector(`[data-stream="${prefix}${name}"]`);
  if (element === null) return null;
  const stream = new Blob([fromText(element.textContent)]).stream();
  element.remove();
  return new Uint8Array(await new Response(stream.pipeThrough(new DecompressionStream("deflate-raw"))).arrayBuffer());
}

/** Varints into an array; `signed` undoes the zigzag. Factors instead of shifts, since numbers may have 53 bits. */
function readVarints(bytes, into, signed) {
  let at = 0;
  for (let i = 0; i < into.length; i++) {
    let byte = bytes[at++];
    let value = byte & 127;
    for (let factor = 128; byte > 127; factor *= 128) {
      byte = bytes[at++];
      value += (byte & 127) * factor;
    }
    into[i] = signed ? (value % 2 ? -(value + 1) / 2 : value / 2) : value;
  }
  return into;
}

function readFloats(bytes, length) {
  const plain = new Uint8Array(length * 8);
  for (let plane = 0; plane < 8; plane++)
    for (let i = 0; i < length; i++) plain[i * 8 + plane] = bytes[plane * length + i];
  const view = new DataView(plain.buffer);
  return Float64Array.from({ length }, (_, i) => view.getFloat64(i * 8, true));
}

function readNumbers(bytes, length, whole, largest) {
  if (!whole) return readFloats(bytes, length);
  return readVarints(bytes, largest < 2 ** 31 ? new Int32Array(length) : new Float64Array(length), true);
}

/** A sparse matrix in compressed rows. */
class Sparse {
  /** `beside`: name -> what else is known of each entry. */
  constructor(rows, columns, starts, places, weights, beside = {}) {
    Object.assign(this, { rows, columns, starts, places, weights, beside });
  }

  static async read(name, told) {
    const [rows, columns] = told.shape;
    const number = told.entries - told.left_out;
    const counts = readVarints(await bytesOf(`${name}.counts`), new Uint32Array(rows), false);
    const starts = new Uint32Array(rows + 1);
    for (let row = 0; row < rows; row++) starts[row + 1] = starts[row] + counts[row];
    const low = await bytesOf(`${name}.gaps`);
    const high = await bytesOf(`${name}.high`);
    const places = new Uint32Array(number);
    let at = 0;
    for (let row = 0; row < rows; row++) {
      let column = -1;
      for (let i = starts[row]; i < starts[row + 1]; i++) {
        let byte = high[at++];
        let value = byte & 127;
        for (let factor = 128; byte > 127; factor *= 128) {
          byte = high[at++];
          value += (byte & 127) * factor;
        }
        column += value * 256 + low[i] + 1;
        places[i] = column;
      }
      if ((row & 8191) === 8191) await pause();
    }
    const weights = readNumbers(await bytesOf(`${name}.weights`), number, told.whole, told.most);
    const beside = {};
    for (const [one, whole] of Object.entries(told.beside ?? {}))
      beside[one] = readNumbers(await bytesOf(`${name}.beside.${one}`), number, whole, Infinity);
    return new Sparse(rows, columns, starts, places, weights, beside);
  }

  /** First entry of a row at a column or behind it. */
  find(row, column) {
    let low = this.starts[row];
    let high = this.starts[row + 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.places[middle] < column) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The same with rows and columns in other orders: which of these comes at each place. */
  async ordered(rowOrder, columnOrder) {
    const { rows, columns, starts, places, weights } = this;
    const columnAt = new Uint32Array(columns);
    columnOrder.forEach((column, place) => { columnAt[column] = place; });
    const rowAt = new Uint32Array(rows);
    rowOrder.forEach((row, place) => { rowAt[row] = place; });
    // By columns first, so that the second pass fills rows in the order of their columns.
    const heads = new Uint32Array(columns + 1);
    for (let i = 0; i < places.length; i++) heads[columnAt[places[i]] + 1]++;
    for (let c = 0; c < columns; c++) heads[c + 1] += heads[c];
    const owner = new Uint32Array(places.length);
    const from = new Uint32Array(places.length);
    const next = heads.slice();
    for (let row = 0; row < rows; row++)
      for (let i = starts[row]; i < starts[row + 1]; i++) {
        const to = next[columnAt[places[i]]]++;
        owner[to] = rowAt[row];
        from[to] = i;
      }
    await pause();
    const beside = Object.entries(this.beside).map(([name, values]) => [name, values, new values.constructor(values.length)]);
    const made = new Sparse(rows, columns, new Uint32Array(rows + 1), new Uint32Array(places.length),
      new weights.constructor(places.length), Object.fromEntries(beside.map(([name, , into]) => [name, into])));
    for (let place = 0; place < rows; place++)
      made.starts[place + 1] = made.starts[place] + starts[rowOrder[place] + 1] - starts[rowOrder[place]];
    const fill = made.starts.slice();
    for (let c = 0; c < columns; c++)
      for (let i = heads[c]; i < heads[c + 1]; i++) {
        const to = fill[owner[i]]++;
        made.places[to] = c;
        made.weights[to] = weights[from[i]];
        for (const [, values, into] of beside) into[to] = values[from[i]];
      }
    return made;
  }
}

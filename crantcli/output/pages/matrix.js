// What is shown: a layer (neurons or types), in an order, with values of a kind, from afar or near.

/** Names along a side: of each item its ID (types: label), its type, and the blocks of types. */
class Side {
  constructor(ids, types, bounds) {
    Object.assign(this, { ids, types, bounds, length: ids.length });
  }

  typeAt(item) {
    if (!this.types.length || item >= this.bounds[this.types.length]) return -1;
    let low = 0;
    let high = this.types.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.bounds[middle] <= item) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** Order of items by their totals, the largest first. */
function byTotal(totals) {
  const order = Uint32Array.from(totals, (_, i) => i);
  return order.sort((a, b) => totals[b] - totals[a] || a - b);
}

/** A layer: a matrix, its sides, totals, and values of one kind. */
class Layer {
  constructor(name, told, matrix, sides, totals, overview) {
    Object.assign(this, { name, told, base: matrix, matrix, sides, totals, overview });
    this.orders = {};
    this.kind = "count";
    this.order = "given";
    this.toItem = [null, null]; // place -> item; null where these are the same
    this.toPlace = [null, null];
    this.tiles = new Map();
  }

  item(axis, place) { return this.toItem[axis] === null ? place : this.toItem[axis][place]; }

  place(axis, item) { return this.toPlace[axis] === null ? item : this.toPlace[axis][item]; }

  async setOrder(name) {
    if (name === this.order) return;
    this.order = name;
    this.overviews = null;
    this.tiles.clear();
    if (name === "given") {
      this.matrix = this.base;
      this.toItem = [null, null];
      this.toPlace = [null, null];
      return;
    }
    const orders = name === "weight" ? this.byWeight() : this.orders[name];
    this.toItem = orders;
    this.toPlace = orders.map((order) => {
      const inverse = new Uint32Array(order.length);
      order.forEach((item, place) => { inverse[item] = place; });
      return inverse;
    });
    this.matrix = await this.base.ordered(orders[0], orders[1]);
  }

  byWeight() {
    if (!about.square) return this.totals.map(byTotal);
    const both = byTotal(Float64Array.from(this.totals[0], (total, i) => total + this.totals[1][i]));
    return [both, both];
  }

  setKind(kind) {
    this.kind = kind;
    this.range = null;
    this.overviews = null;
    this.tiles.clear();
  }

  /** Factor of each row and of each column that makes a value of a weight; null for 1. */
  divisors() {
    const { kind, sides, totals } = this;
    if (kind === "output" || kind === "input") {
      const axis = kind === "output" ? 0 : 1;
      const found = Float64Array.from({ length: sides[axis].length }, (_, place) => totals[axis][this.item(axis, place)]);
      return axis === 0 ? [found, null] : [null, found];
    }
    if (kind === "mean")
      return [0, 1].map((axis) => Float64Array.from({ length: sides[axis].length },
        (_, place) => sides[axis].sizes[this.item(axis, place)]));
    return [null, null];
  }

  /** What is drawn: weights, or of a comparison another difference; 0 where there is none. */
  numbers() {
    const measure = about.compared?.measures.find(({ name }) => name === this.kind);
    if (!measure) return this.matrix.weights;
    const key = `${this.kind} ${this.order}`;
    if (this.measured?.key !== key) {
      const [b, a] = [this.matrix.beside[measure.b], this.matrix.beside[measure.a]];
      this.measured = { key, found: Float64Array.from(b, (value, i) => value - (a ? a[i] : 0) || 0) };
    }
    return this.measured.found;
  }

  /** Value of an entry of a row. */
  valueOf(weight, row, column) {
    const [byRow, byColumn] = this.dividedBy();
    return weight / ((byRow === null ? 1 : byRow[row]) * (byColumn === null ? 1 : byColumn[column]));
  }

  dividedBy() {
    const key = `${this.kind} ${this.order}`;
    if (this.divided?.key !== key) this.divided = { key, found: this.divisors() };
    return this.divided.found;
  }

  /** Smallest and largest magnitude of all values that there are. */
  extent() {
    if (this.range) return this.range;
    if (this.kind === "count") return (this.range = [this.told.least, this.told.most]);
    const { matrix } = this;
    const numbers = this.numbers();
    let least = Infinity;
    let most = 0;
    for (let row = 0; row < matrix.rows; row++)
      for (let i = matrix.starts[row]; i < matrix.starts[row + 1]; i++) {
        const value = Math.abs(this.valueOf(numbers[i], row, matrix.places[i]));
        if (value && value < least) least = value;
        if (value > most) most = value;
      }
    return (this.range = most ? [least, most] : [null, null]);
  }

  /** The strongest values of cells of 2^down rows by 2^across columns, of one tile; 0 for none. */
  pooled(down, across, tileRow, tileColumn, size) {
    const { matrix } = this;
    const found = new Float64Array(size * size);
    const firstRow = tileRow * size * 2 ** down;
    const lastRow = Math.min(matrix.rows, (tileRow + 1) * size * 2 ** down);
    const first = tileColumn * size * 2 ** across;
    const last = Math.min(matrix.columns, (tileColumn + 1) * size * 2 ** across);
    const [byRow, byColumn] = this.dividedBy();
    const { places } = matrix;
    const numbers = this.numbers();
    for (let row = firstRow; row < lastRow; row++) {
      const line = ((row - firstRow) >> down) * size;
      const stop = matrix.starts[row + 1];
      const share = byRow === null ? 1 : byRow[row];
      for (let i = first === 0 ? matrix.starts[row] : matrix.find(row, first); i < stop; i++) {
        const column = places[i];
        if (column >= last) break;
        const value = numbers[i] / (byColumn === null ? share : share * byColumn[column]);
        const cell = line + ((column - first) >> across);
        if (stronger(value, found[cell])) found[cell] = value;
      }
    }
    return found;
  }

  /** The overview and smaller ones of it, the largest first. It is one of weights in the order given. */
  smallerOverviews() {
    if (!this.overview || this.kind !== "count" || this.order !== "given") return [];
    if (this.overviews) return this.overviews;
    let [rows, columns] = this.told.overview;
    let cells = this.overview;
    this.overviews = [{ rows, columns, cells, span: 1 }];
    while (rows > 64 || columns > 64) {
      const [height, width] = [Math.ceil(rows / 2), Math.ceil(columns / 2)];
      const half = new Float64Array(height * width);
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
          const at = (row >> 1) * width + (column >> 1);
          const value = cells[row * columns + column];
          if (stronger(value, half[at])) half[at] = value;
        }
      this.overviews.push({ rows: height, columns: width, cells: half, span: 2 ** this.overviews.length });
      [rows, columns, cells] = [height, width, half];
    }
    return this.overviews;
  }

  /** The strongest entry of a rectangle of places, and how many there are. */
  strongest(top, bottom, left, right) {
    const { matrix } = this;
    const numbers = this.numbers();
    let best = null;
    let number = 0;
    for (let row = top; row < bottom; row++)
      for (let i = matrix.find(row, left); i < matrix.starts[row + 1] && matrix.places[i] < right; i++) {
        const value = this.valueOf(numbers[i], row, matrix.places[i]);
        number++;
        if (best === null || stronger(value, best.value))
          best = { at: i, row, column: matrix.places[i], weight: matrix.weights[i], value };
      }
    return { best, number };
  }

  /** What there is to say of a pair, which is an entry. */
  describe(row, column, at) {
    const [source, target] = [this.item(0, row), this.item(1, column)];
    const weight = this.matrix.weights[at];
    return {
      source, target, weight,
      beside: Object.fromEntries(Object.entries(this.matrix.beside).map(([name, values]) => [name, values[at]])),
      mean: this.name === "types" ? weight / (this.sides[0].sizes[source] * this.sides[1].sizes[target]) : null,
      input: weight / this.totals[1][target],
      output: weight / this.totals[0][source],
    };
  }
}

/** Whether a value hides another: the larger magnitude; of two that are equal the positive one. */
function stronger(value, other) {
  const [a, b] = [Math.abs(value), Math.abs(other)];
  return a > b || (a === b && value > other);
}

/** All that the page holds. What is drawn first comes first. */
async function load(onOverview) {
  const names = JSON.parse(new TextDecoder().decode(await bytesOf("names")));
  const sideOf = ({ ids, types, bounds }) => new Side(ids, types, bounds);
  const source = sideOf(names.source);
  const sides = [source, about.square ? source : sideOf(names.target)];
  const neurons = about.layers.neurons;
  const totals = [];
  for (const [axis, name] of ["source", "target"].entries())
    totals.push(readNumbers(await bytesOf(`totals.${name}`), sides[axis].length, neurons.whole, Infinity));
  const layers = {};
  for (const [name, told] of Object.entries(about.layers)) {
    const packed = await bytesOf(`${name}.overview`);
    const overview = packed && readNumbers(packed, told.overview[0] * told.overview[1], told.whole, Infinity);
    const empty = new Sparse(told.shape[0], told.shape[1], new Uint32Array(told.shape[0] + 1), new Uint32Array(0),
      new Float64Array(0));
    layers[name] = new Layer(name, told, empty, sides, totals, overview);
    if (name === "types") Object.assign(layers[name], ofTypes(sides, totals));
  }
  onOverview(layers, sides);
  for (const order of ["id", "file"]) {
    const found = [];
    for (const [axis, name] of ["source", "target"].entries()) {
      const packed = axis === 0 || !about.square ? await bytesOf(`order.${order}.${name}`) : null;
      if (packed) found.push(readVarints(packed, new Uint32Array(sides[axis].length), false));
      else if (axis === 1 && about.square && found.length) found.push(found[0]);
    }
    if (found.length === 2) layers.neurons.orders[order] = found;
  }
  for (const [name, layer] of Object.entries(layers)) {
    layer.base = layer.matrix = await Sparse.read(name, layer.told);
    layer.ready = true;
    layer.tiles.clear();
  }
  return layers;
}

/** Sides and totals of the layer of types: those of its neurons, added up. */
function ofTypes(sides, totals) {
  const made = sides.map((side) => {
    const types = new Side(side.types, [], []);
    types.sizes = side.types.map((_, type) => side.bounds[type + 1] - side.bounds[type]);
    return types;
  });
  const sums = sides.map((side, axis) => Float64Array.from(side.types, (_, type) => {
    let sum = 0;
    for (let item = side.bounds[type]; item < side.bounds[type + 1]; item++) sum += totals[axis][item];
    return sum;
  }));
  return { sides: made, totals: sums };
}

"use strict";
// One sample's spikes on the mesh, forward step by forward step: where they fire, wait, and travel once they are served.
(() => {
  const ARRAYS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i1: Int8Array, i2: Int16Array, i4: Int32Array };

  function unpack(packed) {
    const text = atob(packed.data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new ARRAYS[packed.kind](bytes.buffer);
  }

  function running(values) { // sums of all before each place, and of all
    const sums = new Float64Array(values.length + 1);
    for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i] + values[i];
    return sums;
  }

  function sortedBy(keys, n) { // places in the order of their keys (negative ones left out), and where each key begins
    const begin = new Uint32Array(n + 2);
    for (const key of keys) if (key >= 0 && key < n) begin[key + 1]++;
    for (let i = 0; i < n; i++) begin[i + 1] += begin[i];
    const next = begin.slice(), order = new Uint32Array(begin[n]);
    keys.forEach((key, i) => { if (key >= 0 && key < n) order[next[key]++] = i; });
    return { begin, order };
  }

  function readRun(run, data) {
    const steps = unpack(run.steps), gap = unpack(run.gap), waited = unpack(run.waited), neuron = unpack(run.neuron);
    const perStep = unpack(run.perStep), waiting = unpack(run.waiting), n = perStep.length;
    const fired = new Float64Array(gap.length);
    let clock = 0;
    for (let i = 0; i < gap.length; i++) { clock += gap[i]; fired[i] = clock; }
    const served = fired.map((g, i) => (waited[i] < 0 ? -1 : g + waited[i]));
    const [low, high] = data.output, outputs = [];
    for (let i = 0; i < neuron.length; i++) if (neuron[i] >= low && neuron[i] < high) outputs.push([fired[i], neuron[i] - low]);
    return {
      title: run.title, name: run.name, begins: running(steps), steps, perStep, before: running(perStep), waiting, n, neuron,
      byFiring: sortedBy(fired, n), byServing: sortedBy(served, n), outputs, whole: run.shown === run.total,
    };
  }

  function timeStepAt(run, g) { // the time step that a forward step lies in
    let low = 0, high = run.steps.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (run.begins[middle] <= g) low = middle; else high = middle - 1;
    }
    while (low < run.steps.length - 1 && !run.steps[low]) low++;
    return low;
  }

  function element(tag, kind, text) {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text; // names from files are text, never markup
    return made;
  }

  function fitted(canvas, height) { // a context whose unit is a pixel of the page, whatever the screen's density
    const ratio = window.devicePixelRatio || 1, width = Math.max(canvas.clientWidth, 50);
    canvas.style.height = `${height}px`;
    const wide = Math.round(width * ratio), high = Math.round(height * ratio);
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return [pen, width];
  }

  function colours(root) {
    const style = getComputedStyle(root);
    return { ink: style.color, soft: style.getPropertyValue("--soft"), line: style.getPropertyValue("--line") };
  }

  const CELL = 150, TALL = 420, PAD = 6; // pixels: of a tile and of the mesh at most, and around it

  function meshOf(data, width) { // where each core lies on the canvas
    const { columns, rows, side, cores } = data.board;
    const cell = Math.max(Math.min((width - 2 * PAD) / columns, CELL, TALL / rows), 4), left = (width - cell * columns) / 2;
    const size = cell * 0.62 / side, inset = (cell - size * side) / 2;
    const squares = cores.map(([x, y, slot]) => ({
      x: left + x * cell + inset + (slot % side) * size, y: PAD + y * cell + inset + Math.floor(slot / side) * size,
      column: left + (x + 0.5) * cell, row: PAD + (y + 0.5) * cell, tile: y * columns + x,
    }));
    return { cell, left, size, squares, height: rows * cell + 2 * PAD };
  }

  function drawTiles(pen, data, mesh, ink) {
    const { columns, rows } = data.board, { cell, left } = mesh;
    pen.strokeStyle = ink.line;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let y = 0; y < rows; y++) { pen.moveTo(left + cell / 2, PAD + (y + 0.5) * cell); pen.lineTo(left + (columns - 0.5) * cell, PAD + (y + 0.5) * cell); }
    for (let x = 0; x < columns; x++) { pen.moveTo(left + (x + 0.5) * cell, PAD + cell / 2); pen.lineTo(left + (x + 0.5) * cell, PAD + (rows - 0.5) * cell); }
    pen.stroke();
  }

  function drawCores(pen, data, mesh, run, g, owner, held) {
    const now = new Float64Array(mesh.squares.length), { begin, order } = run.byFiring;
    if (g < run.n) for (let i = begin[g]; i < begin[g + 1]; i++) now[data.core[run.neuron[order[i]]]]++;
    mesh.squares.forEach((square, i) => {
      const gap = Math.max(mesh.size * 0.06, 0.5);
      pen.fillStyle = data.populations[owner[i]].colour;
      pen.globalAlpha = 0.2 + 0.8 * Math.sqrt(Math.min(now[i] / Math.max(held[i], 1), 1));
      pen.fillRect(square.x + gap, square.y + gap, mesh.size - 2 * gap, mesh.size - 2 * gap);
    });
    pen.globalAlpha = 1;
  }

  function packetsOf(data, run, g) { // spikes served in a forward step, by source and target core
    const found = new Map(), { begin, order } = run.byServing;
    if (g >= run.n) return found;
    for (let i = begin[g]; i < begin[g + 1]; i++) {
      const neuron = run.neuron[order[i]], from = data.core[neuron];
      for (const to of data.sets[data.set[neuron]]) {
        const key = from * data.board.cores.length + to;
        found.set(key, (found.get(key) || 0) + 1);
      }
    }
    return found;
  }

  function drawPackets(pen, data, mesh, packets, part, owner) { // along the row first, then along the column, as routers do
    const k = data.board.cores.length;
    for (const [key, count] of packets) {
      const a = mesh.squares[Math.floor(key / k)], b = mesh.squares[key % k], half = mesh.size / 2;
      const path = a.tile === b.tile
        ? [[a.x + half, a.y + half], [b.x + half, b.y + half]]
        : [[a.x + half, a.y + half], [a.column, a.row], [b.column, a.row], [b.column, b.row], [b.x + half, b.y + half]];
      pen.strokeStyle = pen.fillStyle = data.populations[owner[Math.floor(key / k)]].colour;
      pen.globalAlpha = 0.35;
      pen.lineWidth = Math.min(1 + Math.sqrt(count) / 2, 5);
      pen.beginPath();
      path.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.stroke();
      pen.globalAlpha = 1;
      const [x, y] = along(path, part);
      pen.beginPath();
      pen.arc(x, y, Math.min(2 + Math.sqrt(count), 8), 0, 7);
      pen.fill();
    }
  }

  function along(path, part) {
    const lengths = path.slice(1).map(([x, y], i) => Math.hypot(x - path[i][0], y - path[i][1]));
    let rest = part * lengths.reduce((a, b) => a + b, 0);
    for (let i = 0; i < lengths.length; i++) {
      if (rest <= lengths[i] && lengths[i] > 0) {
        const share = rest / lengths[i], [x, y] = path[i], [z, w] = path[i + 1];
        return [x + (z - x) * share, y + (w - y) * share];
      }
      rest -= lengths[i];
    }
    return path[path.length - 1];
  }

  function drawTime(canvas, run, longest, g, ink) { // spikes of every forward step, and where the player is
    const [pen, width] = fitted(canvas, 46), columns = Math.max(Math.floor(width), 1), tall = new Float64Array(columns);
    const unit = width / Math.max(longest, 1);
    for (let i = 0; i < run.n; i++) {
      const at = Math.min(Math.floor(i * unit), columns - 1);
      tall[at] = Math.max(tall[at], run.perStep[i]);
    }
    const top = Math.max(...tall, 1), wide = Math.max(unit - 1, 1);
    pen.fillStyle = ink.soft;
    for (let i = 0; i < columns; i++) if (tall[i]) pen.fillRect(i, 44 - 40 * tall[i] / top, wide, 40 * tall[i] / top);
    pen.fillStyle = ink.line;
    pen.fillRect(0, 44, run.n * unit, 1);
    pen.fillStyle = ink.ink;
    pen.fillRect(Math.min(g * unit, width - 2), 0, 2, 46);
  }

  function countsAt(run, g, classes) { // output spikes up to and with a forward step
    const counts = new Float64Array(classes);
    for (const [at, one] of run.outputs) { if (at > g) break; counts[one]++; }
    return counts;
  }

  function drawOutputs(canvas, counts, label, ink) {
    const [pen, width] = fitted(canvas, 64), n = counts.length, room = Math.min(width / n, 34), top = Math.max(...counts, 1);
    const best = counts.indexOf(Math.max(...counts));
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    counts.forEach((count, i) => {
      const tall = 40 * count / top;
      pen.fillStyle = i === best && count ? "#2fa57a" : ink.soft;
      pen.fillRect(i * room + 2, 46 - tall, room - 4, tall);
      pen.fillStyle = ink.ink;
      if (room > 11) pen.fillText(String(i), (i + 0.5) * room, 59);
      if (i === label) { pen.strokeStyle = ink.ink; pen.lineWidth = 1.5; pen.strokeRect(i * room + 1, 4, room - 2, 58); }
    });
    return counts[best] ? best : -1;
  }

  function wordsAt(run, g) {
    const done = Math.min(g + 1, run.n);
    if (!run.n) return "no forward step";
    if (g >= run.n) return `done after ${run.n.toLocaleString("en")} forward steps, ${run.before[run.n].toLocaleString("en")} spikes`;
    const t = timeStepAt(run, g), spikes = run.before[done].toLocaleString("en");
    return `time step ${t}, forward step ${g - run.begins[t]} of ${run.steps[t]}: ${run.perStep[g]} fire, ` +
      `${run.waiting[g].toLocaleString("en")} wait; ${spikes} spikes so far`;
  }

  function stageOf(run, data) {
    const stage = element("div", "stage");
    stage.append(element("h3", "", run.title), element("p", "name", run.name));
    const mesh = element("canvas", "mesh"), now = element("p", "now"), time = element("canvas", "time");
    const out = element("canvas", "outputs"), decision = element("p", "decision");
    mesh.setAttribute("role", "img");
    mesh.setAttribute("aria-label", "Cores of the mesh and the spikes between them");
    stage.append(mesh, now, time);
    const classes = data.output[1] - data.output[0];
    if (classes && run.whole) stage.append(out, decision);
    return { stage, mesh, now, time, out, decision, run, classes: run.whole ? classes : 0 };
  }

  function drawStage(one, data, place, playing, longest, owner, held, ink) {
    const g = Math.floor(place), layout = meshOf(data, Math.max(one.mesh.clientWidth, 50));
    const [pen] = fitted(one.mesh, layout.height);
    drawTiles(pen, data, layout, ink);
    drawCores(pen, data, layout, one.run, g, owner, held);
    drawPackets(pen, data, layout, packetsOf(data, one.run, g), playing ? place - g : 0.5, owner);
    one.now.textContent = wordsAt(one.run, g);
    drawTime(one.time, one.run, longest, g, ink);
    if (!one.classes) return;
    const best = drawOutputs(one.out, countsAt(one.run, g, one.classes), data.label, ink);
    const right = data.label === null ? "" : best === data.label ? ", right" : `, the right class is ${data.label}`;
    one.decision.textContent = best < 0 ? "no output spike yet" : `most output spikes so far: class ${best}${right}`;
  }

  function ownersOf(data) { // the population that most neurons of a core belong to, and how many neurons it holds
    const k = data.board.cores.length, votes = Array.from({ length: k }, () => new Map()), held = new Float64Array(k);
    data.populations.forEach((population, p) => {
      for (let i = population.start; i < population.start + population.n; i++) {
        const core = data.core[i];
        held[core]++;
        votes[core].set(p, (votes[core].get(p) || 0) + 1);
      }
    });
    const owner = votes.map((map) => [...map].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0);
    return [owner, held];
  }

  function start(root) {
    const data = JSON.parse(root.querySelector(".moves").textContent);
    data.core = unpack(data.core);
    data.set = unpack(data.set);
    const runs = data.runs.map((run) => readRun(run, data)), stages = runs.map((run) => stageOf(run, data));
    const longest = Math.max(...runs.map((run) => run.n), 0), [owner, held] = ownersOf(data);
    const [play, back, on, scrub, speed] = ["play", "back", "on", "scrub", "speed"].map((kind) => root.querySelector(`.${kind}`));
    root.querySelector(".stages").append(...stages.map((one) => one.stage));
    data.populations.forEach((population) => {
      const mark = element("span", "mark");
      mark.style.background = population.colour;
      root.querySelector(".legend").append(mark, element("span", "", `${population.name} `));
    });
    scrub.max = String(longest);
    let place = 0, playing = false, last = 0;

    function show() {
      const ink = colours(root);
      root.dataset.step = String(Math.floor(place));
      scrub.value = String(Math.floor(place));
      stages.forEach((one) => drawStage(one, data, place, playing, longest, owner, held, ink));
    }
    function go(to) { place = Math.max(0, Math.min(to, longest)); show(); }
    function pause() {
      playing = false;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    }
    function tick(time) {
      if (!playing) return;
      place = Math.min(place + Math.min(Math.max(time - last, 0), 250) / 1000 * Number(speed.value), longest);
      last = time;
      if (place >= longest) pause();
      show();
      if (playing) requestAnimationFrame(tick);
    }
    play.addEventListener("click", () => {
      if (playing) { pause(); place = Math.floor(place); show(); return; }
      if (place >= longest) place = 0;
      playing = true;
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      last = performance.now();
      requestAnimationFrame(tick);
    });
    back.addEventListener("click", () => { pause(); go(Math.ceil(place) - 1); });
    on.addEventListener("click", () => { pause(); go(Math.floor(place) + 1); });
    scrub.addEventListener("input", () => { pause(); go(Number(scrub.value)); });
    new ResizeObserver(show).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
    show();
  }

  for (const root of document.querySelectorAll(".player")) start(root);
})();

// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026, The Drawbridge authors
//
// Shows the audit's data, which the page has in itself. All of it comes from hosts: it is shown as text only, by textContent.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const STATES = ["open", "closed", "some", "unknown", "none"];
  const SEVERITIES = ["high", "medium", "low"];
  // Rows that are shown at once, zones that are shown at first, characters of a line in the picture.
  const BATCH = 100, MOST_ZONES = 8, WIDEST = 100;
  // A cell is so many numbers: zone, packet (sender, receiver, interface), answer (state, reason, end point, path).
  const CELL = 3;
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);
  const text = (number) => number < 0 ? "" : data.texts[number];

  function element(name, words, className) {
    const made = document.createElement(name);
    if (words !== undefined) made.textContent = words;
    if (className) made.className = className;
    return made;
  }

  function row(kind, words) {
    const made = element("tr");
    for (const each of words) made.append(kind === "th" ? header(each, "col") : element("td", each));
    return made;
  }

  function header(words, scope) {
    const made = element("th", words);
    made.scope = scope;
    return made;
  }

  // A row of the matrix: a host, its target as numbers of texts, and words for the search, which are made when somebody searches.
  const rows = [];
  for (const host of data.hosts) {
    for (const [kind, family, address, port, protocol, name, into, cells] of host.targets) {
      rows.push({host: host, kind: kind, family: family, address: address, port: port, protocol: protocol, name: name, into: into, cells: cells, words: null});
    }
  }
  const groupOf = new WeakMap();
  let shown = [], drawn = 0, chosen = [];

  function drawZones() {
    data.zones.forEach((zone, number) => {
      const label = element("label"), box = element("input");
      box.type = "checkbox";
      box.value = number;
      box.defaultChecked = number < MOST_ZONES;
      label.append(box, element("span", zone));
      byId("zones").append(label);
    });
  }

  const inBrackets = (each, address) => text(each.family) === "ipv6" ? "[" + address + "]" : address;
  const placeOf = (each) => text(each.family) + " " + inBrackets(each, text(each.address)) + ":" + text(each.port) + "/" + text(each.protocol);
  const stateOf = (cell) => STATES[data.answers[cell[2]][0]];

  function cellOf(each, zone) {
    for (let at = 0; at < each.cells.length; at += CELL) {
      if (each.cells[at] === zone) return each.cells.slice(at, at + CELL);
    }
    return null;
  }

  function wordsOf(each) {
    if (each.words === null) each.words = [each.host.name, placeOf(each), text(each.name), text(each.kind)].join(" ").toLowerCase();
    return each.words;
  }

  function isWanted(each, words, kind, state) {
    if (kind && text(each.kind) !== kind) return false;
    if (words.length && !words.every((word) => wordsOf(each).includes(word))) return false;
    if (!state) return true;
    const wanted = state === "open" ? ["open", "some"] : ["unknown"];
    return chosen.some((zone) => {
      const cell = cellOf(each, zone);
      return cell !== null && wanted.includes(stateOf(cell));
    });
  }

  function filter() {
    const words = byId("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    chosen = Array.from(byId("zones").querySelectorAll("input:checked"), (box) => Number(box.value));
    shown = rows.filter((each) => isWanted(each, words, byId("kind").value, byId("state").value));
    drawn = 0;
    const head = row("th", ["Host", "Port", "Leads to"].concat(chosen.map((zone) => data.zones[zone])));
    byId("reach").tHead.replaceChildren(head);
    byId("reach").tBodies[0].replaceChildren();
    drawRows(BATCH);
    drawFindings(words, byId("severity").value);
  }

  function drawRows(count) {
    const body = byId("reach").tBodies[0], made = document.createDocumentFragment();
    for (const each of shown.slice(drawn, drawn + count)) made.append(matrixRow(each));
    body.append(made);
    drawn = Math.min(drawn + count, shown.length);
    const first = body.querySelector("button");
    if (first && !body.querySelector("button[tabindex='0']")) first.tabIndex = 0;
    byId("matrix-sum").textContent = drawn + " of " + shown.length + " rows are shown, of " + rows.length + " in all.";
    byId("more").hidden = drawn === shown.length;
  }

  function matrixRow(each) {
    const made = element("tr");
    made.append(header(each.host.name, "row"), element("td", placeOf(each)), element("td", text(each.name) + (each.into < 0 ? "" : ":" + text(each.into))));
    for (const zone of chosen) {
      const cell = cellOf(each, zone), place = element("td", undefined, "cell");
      if (cell) {
        const state = stateOf(cell), button = element("button", state, state);
        button.type = "button";
        button.tabIndex = -1;
        button.addEventListener("click", () => showPath(each, cell));
        place.append(button);
      }
      made.append(place);
    }
    return made;
  }

  function drawFindings(words, severity) {
    const groups = new Map();
    for (const host of data.hosts) {
      for (const numbers of host.findings) {
        const [id, message, remedy, ...evidence] = numbers.slice(1).map(text);
        const found = {severity: numbers[0], id: id, message: message, remedy: remedy, evidence: evidence};
        if (severity && found.severity !== severity) continue;
        if (words.length) {
          const all = [host.name, id, message, found.severity].concat(evidence).join(" ").toLowerCase();
          if (!words.every((word) => all.includes(word))) continue;
        }
        const key = found.severity + " " + id;
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push([host, found]);
      }
    }
    const ordered = Array.from(groups.values()).sort((one, other) =>
      SEVERITIES.indexOf(one[0][1].severity) - SEVERITIES.indexOf(other[0][1].severity) || other.length - one.length);
    byId("findings").replaceChildren(...ordered.map(findingGroup));
    byId("findings-sum").textContent = ordered.length ? ordered.length + " kinds of findings." : "No findings.";
  }

  function findingGroup(group) {
    const found = group[0][1], made = element("details"), summary = element("summary");
    const where = group.length === 1 ? group[0][0].name : group.length + " hosts";
    summary.append(element("span", found.severity, "tag " + found.severity), element("span", " " + found.id + ", " + where + ": " + found.message, "what"));
    made.append(summary);
    groupOf.set(made, group);
    made.addEventListener("toggle", () => { if (made.open) fillGroup(made); });
    return made;
  }

  // A group is filled when it is opened first: there may be hundreds of hosts in it.
  function fillGroup(made) {
    const group = groupOf.get(made);
    if (made.childElementCount > 1) return;
    const table = element("table"), head = element("thead"), body = element("tbody");
    head.append(row("th", ["Host", "Evidence"]));
    for (const [host, found] of group) {
      const line = element("tr"), evidence = element("td"), list = element("ul");
      for (const each of found.evidence) list.append(element("li", each));
      evidence.append(list);
      line.append(header(host.name, "row"), evidence);
      body.append(line);
    }
    table.append(head, body);
    made.append(element("p", "Remedy: " + group[0][1].remedy), table);
  }

  function drawHosts() {
    byId("hosts").tHead.append(row("th", ["Host", "Result"].concat(data.facts, ["High", "Medium", "Low"])));
    const made = document.createDocumentFragment();
    for (const host of data.hosts) {
      const counts = SEVERITIES.map((severity) => String(host.findings.filter((found) => found[0] === severity).length));
      const line = row("td", [host.message ? host.result + ": " + host.message : host.result].concat(host.facts, counts));
      line.prepend(header(host.name, "row"));
      made.append(line);
    }
    byId("hosts").tBodies[0].append(made);
  }

  function svg(name, attributes, words) {
    const made = document.createElementNS(SVG, name);
    for (const key of Object.keys(attributes)) made.setAttribute(key, attributes[key]);
    if (words !== undefined) made.textContent = words;
    return made;
  }

  const cut = (words, most) => words.length > most ? words.slice(0, most - 1) + "\u2026" : words;

  // Steps that follow each other in one chain are one box. depth: by how many jumps the chain was entered.
  function boxesOf(path) {
    const boxes = [];
    let stack = [], table = null;
    for (const number of path) {
      const [tableName, chain, rule, words, change, variant] = data.steps[number];
      const title = text(tableName) ? [text(tableName), text(chain), text(variant)].filter(Boolean).join(" ") : "";
      const lines = [{words: (rule === null ? "" : rule + "  ") + text(words), change: text(change)}];
      if (title && boxes.length && boxes[boxes.length - 1].title === title) {
        boxes[boxes.length - 1].lines.push(lines[0]);
        continue;
      }
      if (title) {
        if (tableName !== table) stack = [];
        table = tableName;
        const at = stack.indexOf(title);
        stack = at < 0 ? stack.concat(title) : stack.slice(0, at + 1);
      } else {
        stack = [];
        table = null;
      }
      boxes.push({title: title, lines: lines, depth: Math.max(stack.length - 1, 0)});
    }
    return boxes;
  }

  function picture(boxes, first, last, state) {
    const LINE = 17, PAD = 8, GAP = 20, WIDTH = 780, INDENT = 14;
    const root = svg("svg", {role: "img", "aria-label": "The packet's path, drawn; the list below has the same in words"});
    let y = 2;
    const box = (x, lines, className) => {
      const height = lines.length * LINE + 2 * PAD - 4;
      root.append(svg("rect", {x: x, y: y, width: WIDTH - x - 2, height: height, rx: 5, class: className}));
      lines.forEach((line, number) => root.append(
        svg("text", {x: x + PAD, y: y + PAD + 11 + number * LINE, class: line.class || ""}, cut(line.words, WIDEST - Math.ceil(x / 7)))));
      y += height;
    };
    const arrow = () => {
      root.append(svg("path", {d: "M40 " + y + "v" + (GAP - 6), class: "arrow"}),
                  svg("path", {d: "M35 " + (y + GAP - 7) + "h10l-5 7z", class: "head"}));
      y += GAP;
    };
    box(2, [{words: first, class: "title"}], "box");
    for (const each of boxes) {
      arrow();
      const lines = each.title ? [{words: each.title, class: "title"}] : [];
      for (const line of each.lines) {
        lines.push({words: line.words});
        if (line.change) lines.push({words: "\u2192 " + line.change, class: "change"});
      }
      box(2 + Math.min(each.depth, 10) * INDENT, lines, "box");
    }
    arrow();
    box(2, last.map((words, number) => ({words: words, class: number ? "" : "title"})), "box end-" + state);
    root.setAttribute("viewBox", "0 0 " + WIDTH + " " + (y + 2));
    root.setAttribute("width", WIDTH);
    root.setAttribute("height", y + 2);
    return root;
  }

  function packetOf(each, cell) {
    const [sender, receiver, by] = data.packets[cell[1]];
    if (sender < 0) return "no packet was asked about";
    const to = inBrackets(each, text(receiver)) + ":" + text(each.port);
    return text(each.protocol) + " from " + text(sender) + " to " + to + (by < 0 ? "" : " by " + text(by));
  }

  function showPath(each, cell) {
    const [, reasonNumber, endNumber, pathNumber] = data.answers[cell[2]];
    const state = stateOf(cell), reason = text(reasonNumber), end = text(endNumber), path = pathNumber < 0 ? [] : data.paths[pathNumber];
    byId("path-title").textContent = each.host.name + ", " + placeOf(each) + ", from " + data.zones[cell[0]] + ": " + state;
    byId("path-verdict").textContent = reason;
    const last = [state + (end ? ": " + end : "")].concat(reason && reason !== end ? [reason] : []);
    byId("path-picture").replaceChildren(picture(boxesOf(path), packetOf(each, cell), last, state));
    byId("path-words").replaceChildren(...path.map((number) => {
      const [table, chain, rule, words, change, variant] = data.steps[number];
      const place = text(table) ? [text(table), text(chain), text(variant), rule === null ? "" : "rule " + rule].filter(Boolean).join(" ") + ": " : "";
      return element("li", place + text(words) + (text(change) ? " \u2192 " + text(change) : ""));
    }));
    byId("path").showModal();
  }

  // Arrow keys move between the cells of the matrix, of which one alone is in the order of Tab.
  function move(event) {
    const steps = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    const place = event.target.closest("td.cell");
    if (!steps || !place) return;
    event.preventDefault();
    const line = place.parentElement, body = line.parentElement;
    const next = body.rows[line.sectionRowIndex + steps[0]];
    const button = next && next.cells[place.cellIndex + steps[1]] && next.cells[place.cellIndex + steps[1]].querySelector("button");
    if (button) focusOn(button);
  }

  function focusOn(button) {
    for (const old of byId("reach").querySelectorAll("button[tabindex='0']")) old.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }

  function start() {
    byId("sum").textContent = data.sum;
    drawZones();
    drawHosts();
    filter();
    byId("filters").addEventListener("input", filter);
    byId("filters").addEventListener("reset", () => setTimeout(filter));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("more-rows").addEventListener("click", () => drawRows(BATCH));
    byId("all-rows").addEventListener("click", () => drawRows(shown.length));
    byId("reach").addEventListener("keydown", move);
    byId("path-close").addEventListener("click", () => byId("path").close());
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !byId("path").open && !event.target.closest("input, select")) {
        event.preventDefault();
        byId("text").focus();
      }
    });
    window.addEventListener("beforeprint", () => {
      for (const each of byId("findings").querySelectorAll("details")) {
        each.open = true;
        fillGroup(each);
      }
    });
  }

  start();
}());

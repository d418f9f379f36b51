"use strict";
// Sort, search and filter the tables. Without this script they stand as they are.
(() => {
  document.documentElement.classList.add("scripted"); // long tables now show their first rows only
  const most = 200; // rows of a long table in sight, as in style.css

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const collator = new Intl.Collator("en", { numeric: true });
  const count = (number) => number.toLocaleString("en");
  const figure = (text) => {
    const below = text.startsWith("<") ? 1 - 1e-9 : 1;
    return below * parseFloat(text.replace(/[,\u00a0%<≤ ]/g, ""));
  };

  const textOf = (row, column) => row.cells[column].textContent;

  // Emptied first: rows that leave one by one from the top move all others each time.
  const fill = (table, rows) => {
    table.tBodies[0].replaceChildren();
    table.tBodies[0].append(...rows);
  };

  // Rows in the order of one column; what has no value stays last. 0: the order of the page.
  const sorted = (rows, column, numeric, direction) => {
    if (direction === 0) return rows;
    const keyed = rows.map((row) => {
      const text = textOf(row, column);
      const key = numeric ? figure(text) : text;
      return { row, key, none: text === "–" || text === "" || Number.isNaN(key) };
    });
    const compare = numeric ? (a, b) => a - b : collator.compare;
    keyed.sort((a, b) => a.none - b.none || (a.none ? 0 : direction * compare(a.key, b.key)));
    return keyed.map((one) => one.row);
  };

  const addSorting = (table, rows, changed) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", "aria-label": `Sort by ${head.textContent}` });
      head.append("\u00a0", button);
      button.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        const next = { null: "ascending", ascending: "descending" }[was];
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next) head.setAttribute("aria-sort", next);
        const direction = { ascending: 1, descending: -1 }[next] ?? 0;
        changed(sorted(rows, column, head.classList.contains("number"), direction));
      });
    });
  };

  const filterOf = (table, rows, column) => {
    const values = new Set(rows.map((row) => textOf(row, column)));
    const choice = make("select", {}, make("option", { value: "" }, "all"));
    for (const value of values) choice.append(make("option", { value }, value));
    const title = table.tHead.rows[0].cells[column].textContent.trim();
    return { column, choice, label: make("label", {}, `${title} `, choice), useful: values.size > 1 };
  };

  // A bar above a long table; returns a function that shows the chosen rows in a given order.
  const addSearch = (table, rows) => {
    const texts = new Map(); // filled when something is searched for the first time
    const has = (row, wanted) => {
      if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
      return texts.get(row).includes(wanted);
    };
    const filters = (table.dataset.choices ?? "").split(" ").filter(Boolean)
      .map((column) => filterOf(table, rows, Number(column))).filter((one) => one.useful);
    const field = make("input", { type: "search", autocomplete: "off" });
    const told = make("output", { "aria-live": "polite" });
    const all = make("button", { type: "button" });
    const labels = filters.map((one) => one.label);
    const tools = make("div", { class: "tools" }, make("label", {}, "Search ", field), ...labels);
    let order = rows;
    let changed = false;
    const show = (next = order) => {
      order = next;
      const wanted = field.value.trim().toLowerCase();
      const kept = order.filter((row) => (!wanted || has(row, wanted)) && filters.every(
        ({ column, choice }) => !choice.value || textOf(row, column) === choice.value));
      if (changed) fill(table, kept);
      changed = true;
      const cut = kept.length > most && !table.classList.contains("all");
      told.textContent = cut ? `the first ${most} of ${count(kept.length)} rows`
        : `${count(kept.length)} of ${count(rows.length)} rows`;
      all.hidden = !cut;
      all.textContent = `Show all ${count(kept.length)}`;
    };
    all.addEventListener("click", () => { table.classList.add("all"); show(); });
    tools.addEventListener("input", () => show());
    tools.append(told, all);
    table.parentElement.before(tools);
    show();
    return show;
  };

  const start = () => {
    for (const table of document.querySelectorAll("table[data-sort]")) {
      const rows = [...table.tBodies[0].rows];
      const plain = (order) => fill(table, order);
      const long = table.classList.contains("long");
      addSorting(table, rows, long ? addSearch(table, rows) : plain);
    }
    if (location.hash) unfold();
  };

  // A link into a folded part opens it, and paper has no folds.
  const unfold = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const inside = place?.querySelector(":scope > details");
    if (inside) inside.open = true;
    for (let up = place; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    place?.scrollIntoView();
  };
  let opened = [];
  addEventListener("DOMContentLoaded", start);
  addEventListener("hashchange", unfold);
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
})();

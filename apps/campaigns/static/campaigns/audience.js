// The fields write the rules, the rules are what is saved. Rules that the fields cannot show stay
// as they are: then only the JSON can be edited.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("audience-form");
  const source = document.getElementById("rules");
  const builder = document.getElementById("builder");
  const everyone = document.getElementById("everyone");
  if (!form) return;

  const topics = (name) => [...form.querySelectorAll(`[data-topics="${name}"]`)];
  const received = () => [...form.querySelectorAll("[data-received]")];
  const box = (name) => form.querySelector(`[data-traits="${name}"]`);

  // --- From rules to fields ---------------------------------------------------------------

  const asTyped = (value) => (Array.isArray(value) ? value.join(", ") : String(value));

  const addTrait = (name, rule) => {
    const row = document.getElementById("trait-rule").content.firstElementChild.cloneNode(true);
    if (rule) {
      const test = Object.keys(rule).find((key) => key !== "trait");
      row.querySelector('[data-part="trait"]').value = rule.trait;
      row.querySelector('[data-part="test"]').value = test;
      row.querySelector('[data-part="value"]').value = asTyped(rule[test]);
    }
    row.querySelector("[data-remove]").addEventListener("click", () => { row.remove(); write(); });
    box(name).append(row);
    return row;
  };

  const tick = (boxes, values) => {
    for (const one of boxes) one.checked = values.map(String).includes(one.value);
  };

  const read = () => {
    let rules;
    try { rules = JSON.parse(source.value); } catch { return false; }
    if (typeof rules !== "object" || rules === null) return false;
    everyone.checked = rules.everyone === true;
    const exclude = rules.exclude ?? {};
    for (const name of ["any", "all", "none"]) tick(topics(name), rules.topics?.[name] ?? []);
    tick(topics("exclude"), exclude.topics ?? []);
    tick(received(), exclude.received ?? []);
    for (const name of ["traits", "exclude"]) box(name).replaceChildren();
    for (const rule of rules.traits ?? []) addTrait("traits", rule);
    for (const rule of exclude.traits ?? []) addTrait("exclude", rule);
    return JSON.stringify(sorted(built())) === JSON.stringify(sorted(rules));
  };

  // --- From fields to rules ---------------------------------------------------------------

  const asNumber = (text) => (/^-?\d+(\.\d+)?$/.test(text) && Number(text) <= 1e15 ? Number(text) : text);

  const operand = (test, text) => {
    if (test === "exists") return text.toLowerCase() !== "false";
    if (test === "contains") return text;
    if (test === "in") return text.split(",").map((one) => asNumber(one.trim())).filter((one) => one !== "");
    if (test === "is" && /^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
    return asNumber(text);
  };

  const traits = (name) =>
    [...box(name).children].flatMap((row) => {
      const part = (one) => row.querySelector(`[data-part="${one}"]`).value.trim();
      const test = part("test");
      if (!part("trait") || (!part("value") && test !== "exists")) return [];
      return [{ trait: part("trait"), [test]: operand(test, part("value")) }];
    });

  const ticked = (boxes) => boxes.filter((one) => one.checked).map((one) => one.value);

  const filled = (parts) =>
    Object.fromEntries(
      Object.entries(parts).filter(([, value]) =>
        Array.isArray(value) ? value.length : typeof value === "object" ? Object.keys(value).length : value,
      ),
    );

  const built = () => {
    const chosen = everyone.checked
      ? { everyone: true }
      : {
          topics: filled({ any: ticked(topics("any")), all: ticked(topics("all")), none: ticked(topics("none")) }),
          traits: traits("traits"),
        };
    return filled({
      ...chosen,
      exclude: filled({
        topics: ticked(topics("exclude")),
        traits: traits("exclude"),
        received: ticked(received()).map(Number),
      }),
    });
  };

  const sorted = (value) => {
    if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
  };

  // --- The live count ---------------------------------------------------------------------

  let timer = 0;
  let asking = null;
  const countSoon = () => { clearTimeout(timer); timer = setTimeout(count, 600); };

  const count = async () => {
    asking?.abort();
    asking = new AbortController();
    const error = document.getElementById("count-error");
    try {
      const answer = await fetch(form.dataset.count, { method: "POST", body: new FormData(form), signal: asking.signal });
      const found = await answer.json();
      error.hidden = !found.error;
      error.textContent = found.error ?? "";
      if (found.error) return blank();
      document.getElementById("would-get").textContent = found.would_get.toLocaleString("en");
      document.getElementById("total").textContent = found.total.toLocaleString("en");
      document.getElementById("skipped").replaceChildren(...found.skipped.map(line));
    } catch (problem) {
      if (problem.name !== "AbortError") blank();
    }
  };

  const line = ({ words, number }) => {
    const row = document.createElement("tr");
    const name = document.createElement("td");
    const figure = document.createElement("td");
    name.textContent = words;
    figure.textContent = number.toLocaleString("en");
    figure.className = "desk-figure";
    row.append(name, figure);
    return row;
  };

  const blank = () => {
    document.getElementById("would-get").textContent = "–";
    document.getElementById("total").textContent = "–";
    document.getElementById("skipped").replaceChildren();
  };

  // --- Together ---------------------------------------------------------------------------

  const dim = () => { document.getElementById("chosen").hidden = everyone.checked; };
  const write = () => {
    dim();
    source.value = JSON.stringify(built(), null, 2);
    countSoon();
  };

  builder.addEventListener("input", write);
  for (const button of form.querySelectorAll("[data-add]")) {
    button.addEventListener("click", () => addTrait(button.dataset.add).querySelector("input").focus());
  }
  source.addEventListener("input", () => { builder.hidden = !read(); dim(); countSoon(); });
  builder.hidden = !read();
  document.getElementById("as-json").open = builder.hidden;
  dim();
  count();
});

// The preview follows what is typed; saving stays the form's business.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("content-form");
  const search = document.getElementById("person-search");
  const person = document.getElementById("person-id");
  const results = document.getElementById("person-results");
  if (!form) return;

  const later = (work, ms) => {
    let timer = 0;
    return () => { clearTimeout(timer); timer = setTimeout(work, ms); };
  };

  let newest = 0;
  const refresh = async () => {
    const number = ++newest;
    let seen;
    try {
      const answer = await fetch(form.dataset.preview, { method: "POST", body: new FormData(form) });
      seen = await answer.json();
    } catch {
      seen = { error: "The preview could not be fetched; what is typed is not lost." };
    }
    if (number === newest) show(seen);
  };

  const show = (seen) => {
    const flaws = document.getElementById("flaws");
    flaws.replaceChildren();
    const note = (kind, words) => {
      const line = document.createElement("p");
      line.className = `desk-note ${kind}`;
      line.textContent = words;
      flaws.append(line);
    };
    if (seen.error) return note("desk-note-error", seen.error);
    for (const flaw of seen.flaws) {
      note("desk-note-error", `${flaw.part}${flaw.line ? `, line ${flaw.line}` : ""}: ${flaw.message}`);
    }
    for (const name of seen.missing) note("desk-note-warning", `No value for this contact: ${name}`);
    for (const link of seen.links) note("desk-note-warning", `Link ${link}`);
    for (const why of seen.slow) note("", `${why}. It costs sending rate.`);
    if (seen.flaws.length) return;
    document.getElementById("preview-subject").textContent = seen.subject;
    document.getElementById("preview-text").textContent = seen.text;
    document.getElementById("preview-wide").srcdoc = seen.html;
    document.getElementById("preview-phone").srcdoc = seen.html;
    const size = document.getElementById("preview-size");
    size.textContent = `${(seen.size_bytes / 1024).toFixed(1)} KB${seen.clipped ? ": Gmail will cut it" : ""}`;
    size.className = seen.clipped ? "desk-badge desk-badge-paused" : "";
  };

  const find = async () => {
    results.replaceChildren();
    const typed = search.value.trim();
    if (!typed) { person.value = ""; return refresh(); }
    const answer = await fetch(`${form.dataset.people}?q=${encodeURIComponent(typed)}`);
    if (!answer.ok) return;
    for (const one of (await answer.json()).people) {
      const choice = document.createElement("button");
      choice.type = "button";
      choice.textContent = one.label;
      choice.addEventListener("click", () => {
        person.value = one.id;
        search.value = one.label;
        results.replaceChildren();
        search.focus();
        refresh();
      });
      const line = document.createElement("li");
      line.append(choice);
      results.append(line);
    }
  };

  form.addEventListener("input", later(refresh, 400));
  search.addEventListener("input", later(find, 250));
});

// The text as it would arrive follows what is typed; saving stays the form's business.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("text-preview");
  const body = document.getElementById("id_body");
  if (!box || !body) return;
  const form = body.form;
  const bubble = document.getElementById("text-bubble");
  const length = document.getElementById("text-length");
  let timer = 0;
  let newest = 0;

  const asked = () => {
    const fields = new FormData();
    fields.set("csrfmiddlewaretoken", form.querySelector("[name=csrfmiddlewaretoken]").value);
    fields.set("body", body.value);
    fields.set("campaign", document.getElementById("id_campaign")?.value ?? "");
    for (const one of form.querySelectorAll("input[name^='links-'][name$='-name']")) {
      if (one.value) fields.append("link", one.value);
    }
    return fields;
  };

  const show = (seen) => {
    bubble.textContent = seen.problem ? "" : seen.text;
    if (seen.problem) {
      length.textContent = seen.problem;
      return;
    }
    const forced = seen.forcing ? ` because of ${[...seen.forcing].join(" ")}` : "";
    const plural = seen.segments === 1 ? "segment" : "segments";
    length.textContent =
      `${seen.segments} ${plural}, ${seen.units} units of ${seen.encoding}${forced}, ` +
      `${seen.left} left; ${seen.cost} for 1,000 texts.`;
  };

  const refresh = async () => {
    const number = ++newest;
    let seen;
    try {
      const answer = await fetch(box.dataset.measure, { method: "POST", body: asked() });
      seen = await answer.json();
    } catch {
      seen = { problem: "The preview could not be fetched; what is typed is not lost." };
    }
    if (number === newest) show(seen);
  };

  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, 300);
  };
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  if (body.value) refresh();
});

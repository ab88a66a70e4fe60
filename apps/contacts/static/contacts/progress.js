"use strict";
/* Asks every two seconds how far an import is, and shows the page anew when its state changes. */

const box = document.querySelector("[data-progress]");
const bar = box.querySelector("progress");
const told = box.querySelector("[data-told]");
const cancel = document.querySelector("[data-cancel]");
const numbers = new Intl.NumberFormat("en");

function show(progress) {
  if (progress.percent === null) {
    bar.removeAttribute("value");
  } else {
    bar.value = progress.percent;
  }
  const rows = progress.rows ? `, ${numbers.format(progress.rows)} rows` : "";
  const share = progress.percent === null ? "" : ` ${progress.percent} %`;
  told.textContent = progress.cancelling
    ? "stops at the next step"
    : `${progress.phase}${share}${rows}`;
  if (cancel) {
    cancel.hidden = progress.cancelling || !progress.cancellable;
  }
}

async function ask() {
  try {
    const answer = await fetch(box.dataset.progress, { headers: { Accept: "application/json" } });
    if (answer.redirected || answer.status === 403) {
      location.reload();
      return;
    }
    if (answer.ok) {
      const progress = await answer.json();
      if (progress.state !== box.dataset.state) {
        location.reload();
        return;
      }
      show(progress);
    }
  } catch {
    told.textContent = "no connection; trying again";
  }
  setTimeout(ask, 2000);
}

setTimeout(ask, 2000);

"use strict";
/* Adds an empty row to a person's traits. Without this script the two empty rows are what there is. */

document.querySelectorAll("[data-traits]").forEach((box) => {
  const button = box.querySelector("[data-add]");
  const rows = box.querySelector("[data-rows]");
  button.hidden = false;
  button.addEventListener("click", () => {
    const row = rows.lastElementChild.cloneNode(true);
    row.querySelectorAll("input").forEach((input) => { input.value = ""; });
    rows.append(row);
    row.querySelector("input").focus();
  });
});

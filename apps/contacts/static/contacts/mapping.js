"use strict";
/* Shows the name of a trait only where the column becomes one. */

document.querySelectorAll("[data-column]").forEach((row) => {
  const target = row.querySelector("[data-target]");
  const key = row.querySelector(".key");
  const show = () => { key.hidden = target.value !== "trait"; };
  target.addEventListener("change", show);
  show();
});

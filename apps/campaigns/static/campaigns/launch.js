// Fetches the number of people once the page stands: counting a million takes seconds.
"use strict";

document.addEventListener("DOMContentLoaded", async () => {
  const place = document.getElementById("count");
  if (!place) return;
  const number = document.getElementById("would-get");
  const tolerance = document.getElementById("tolerance");
  try {
    const answer = await fetch(place.dataset.url);
    const found = await answer.json();
    if (found.error) {
      number.textContent = "–";
      tolerance.textContent = found.error;
      return;
    }
    number.textContent = found.would_get.toLocaleString("en");
    tolerance.textContent = found.tolerance
      ? `Launches where it is still so many then, up to ${found.tolerance.toLocaleString("en")} more or fewer.`
      : "Launches only where it is exactly so many then.";
  } catch {
    number.textContent = "–";
    tolerance.textContent = "The number could not be fetched: load the page again.";
  }
});

// Follows a dry run and shows the page anew when it is over.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const panel = document.getElementById("dry-run");
  if (!panel) return;

  const look = async () => {
    try {
      const answer = await fetch(panel.dataset.progress);
      if (answer.status === 404) return location.reload();
      const found = await answer.json();
      if (found.state !== "running") return location.reload();
      document.getElementById("looked-at").textContent = found.looked_at.toLocaleString("en");
      document.getElementById("dry-run-bar").value = found.percent;
    } catch { /* the network is away for a moment: the next look will tell */ }
    setTimeout(look, 700);
  };
  setTimeout(look, 700);
});

// Draws mailings under way anew every two seconds: one request for all of them on the page.
"use strict";
(() => {
  const EVERY_MS = 2000;
  const SLOWEST_MS = 30000;
  const url = document.querySelector("[data-live-url]")?.dataset.liveUrl;
  const places = [...document.querySelectorAll("[data-live]")];
  if (!url || !places.length) return;

  let wait = EVERY_MS;

  const cell = (tag, text, className, href) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (href) {
      const link = document.createElement("a");
      link.href = href;
      link.textContent = text;
      element.append(link);
    } else {
      element.textContent = text;
    }
    return element;
  };

  const row = (...cells) => {
    const element = document.createElement("tr");
    element.append(...cells);
    return element;
  };

  const address = (base, state, reason) => {
    if (!base) return "";
    const query = new URLSearchParams(reason ? { state, reason } : { state });
    return `${base}?${query}`;
  };

  const drawRows = (body, rows) => {
    // Somebody who is on a link by keyboard stays there: only then nothing is drawn.
    if (body.contains(document.activeElement)) return;
    const base = body.dataset.link;
    body.replaceChildren(
      ...rows.flatMap((one) => {
        const head = cell("th", one.words);
        head.scope = "row";
        const first = row(head, cell("td", ""),
          cell("td", one.number, "fs-number", address(base, one.state)));
        const others = one.reasons.map((reason) => {
          const line = row(cell("td", ""), cell("td", reason.words),
            cell("td", reason.number, "fs-number", address(base, one.state, reason.reason)));
          line.className = "fs-reason";
          return line;
        });
        return [first, ...others];
      }),
    );
  };

  const draw = (place, look) => {
    if (look.key !== place.dataset.key) {
      window.location.reload();
      return false;
    }
    const bar = place.querySelector("progress");
    bar.max = Math.max(1, look.total);
    bar.value = look.done;
    for (const [name, text] of Object.entries(look.texts)) {
      for (const element of place.querySelectorAll(`[data-text="${name}"]`)) {
        element.textContent = text;
      }
    }
    const body = place.querySelector("[data-rows]");
    if (body) drawRows(body, look.rows);
    place.dataset.moving = look.moving ? "1" : "";
    return true;
  };

  const ask = async () => {
    const moving = places.filter((place) => place.dataset.moving);
    if (!moving.length) return;
    if (!document.hidden) {
      try {
        const ids = moving.map((place) => place.dataset.live).join(",");
        const answer = await fetch(`${url}?ids=${ids}`, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(answer.statusText);
        const looks = await answer.json();
        for (const place of moving) {
          const look = looks[place.dataset.live];
          if (look && !draw(place, look)) return;
        }
        wait = EVERY_MS;
      } catch {
        wait = Math.min(wait * 2, SLOWEST_MS);  // the station is away, or the log-in has ended
      }
    }
    window.setTimeout(ask, wait);
  };

  window.setTimeout(ask, wait);
})();

// Narrows the cases of the page down, and takes in what happens while a run goes on.
(() => {
  "use strict";
  const at = (id) => document.getElementById(id);
  const form = at("filters");
  const words = new WeakMap();
  const wordsOf = (part) => {
    if (!words.has(part)) words.set(part, part.firstElementChild.textContent.toLowerCase());
    return words.get(part);
  };

  const narrow = () => {
    const wanted = at("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [backend, group] = [at("fb").value, at("fg").value];
    const ranks = new Set(Array.from(form.querySelectorAll("[name=r]:checked"), (box) => box.value));
    let shown = 0, all = 0;
    for (const section of document.querySelectorAll("main > section")) {
      let here = 0;
      for (const part of section.querySelectorAll(":scope > .c")) {
        const { b, g, r } = part.dataset;
        const fits = (!backend || b === backend) && (!group || g.split(" ").includes(group)) && ranks.has(r)
          && wanted.every((word) => wordsOf(part).includes(word));
        part.hidden = !fits;
        here += fits;
        all += 1;
      }
      section.hidden = here === 0;
      shown += here;
    }
    at("count").textContent = shown === all ? `${all} cases` : `${shown} of ${all} cases`;
  };

  const open = () => {
    const part = location.hash && at(decodeURIComponent(location.hash.slice(1)));
    if (part && part.matches("details")) part.open = true;
  };

  form.hidden = false;
  form.addEventListener("input", narrow);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(narrow));
  at("grid").addEventListener("click", (event) => {
    const cell = event.target.closest("a[data-b]");
    if (!cell) return;
    event.preventDefault();
    at("fb").value = cell.dataset.b;
    at("fg").value = cell.dataset.g;
    narrow();
    form.scrollIntoView();
  });
  addEventListener("hashchange", open);
  open();
  narrow();

  if (!("live" in document.body.dataset)) return;
  const main = document.querySelector("main");
  const place = (section, part) => {
    const after = (other) => Number(other.dataset.r) > Number(part.dataset.r)
      || (other.dataset.r === part.dataset.r && other.id > part.id);
    const next = Array.from(section.querySelectorAll(":scope > .c")).find(after);
    section.insertBefore(part, next || null);
  };
  const made = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  };
  const source = new EventSource(`events?after=${document.body.dataset.live}`);
  source.addEventListener("part", (event) => {
    const { section, heading, html } = JSON.parse(event.data);
    let target = at(`b${section}`);
    if (!target) {
      target = document.createElement("section");
      target.id = `b${section}`;
      target.dataset.b = section;
      target.append(made(heading));
      main.append(target);
      at("fb").append(new Option(target.querySelector("h2").textContent, section));
    }
    for (const part of Array.from(made(html).children)) {
      at(part.id)?.remove();
      place(target, part);
    }
  });
  source.addEventListener("told", (event) => {
    const { told, grid, title } = JSON.parse(event.data);
    at("told").replaceWith(made(told));
    at("grid").replaceChildren(made(grid));
    document.title = title;
    narrow();
  });
  source.addEventListener("over", () => source.close());
})();

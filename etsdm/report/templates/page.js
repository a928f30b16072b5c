// A row stays if it has every word of the filter above its table.
document.addEventListener("input", event => {
  if (!event.target.matches(".filter")) return;
  const words = event.target.value.toLowerCase().split(/\s+/);
  const table = document.getElementById(event.target.getAttribute("aria-controls"));
  for (const row of table.tBodies[0].rows) {
    row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
  }
});
for (const filter of document.querySelectorAll(".filter")) filter.hidden = false;
// A link to what is folded opens it.
function unfold() {
  const target = location.hash ? document.querySelector(location.hash) : null;
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}
addEventListener("hashchange", unfold);
unfold();

// The picker of samples: each choice keeps to what the choices before it leave; the method comes last, and may be all.
for (const picker of document.querySelectorAll(".picker")) {
  const all = JSON.parse(picker.querySelector("script").textContent);
  const selects = [...picker.querySelectorAll("select")];
  const draw = () => {
    let left = all;
    for (const select of selects) {
      const before = select.value, values = [...new Set(left.map(sheet => String(sheet[select.name])))];
      if (select.name === "method") values.unshift("all");
      select.replaceChildren(...values.map(value => new Option(value)));
      select.value = values.includes(before) ? before : values[0];
      select.parentElement.hidden = values.length < 2 || (select.name === "method" && values.length < 3);
      left = left.filter(sheet => select.value === "all" || String(sheet[select.name]) === select.value);
    }
    const one = left[0];
    picker.querySelector("[data-shown]").textContent =
      `${one.network}, ${one.solver}, ${one.nfe} NFE, seed ${one.seed}`;
    picker.querySelector(".sheets").replaceChildren(...left.map(sheet => {
      const figure = document.createElement("figure"), caption = document.createElement("figcaption");
      const image = Object.assign(new Image(), { src: sheet.source, alt: `Images of ${sheet.method}` });
      caption.textContent = sheet.method;
      figure.append(caption, image);
      if (sheet.nearest) {
        const fold = document.createElement("details"), summary = document.createElement("summary");
        summary.textContent = "Nearest training images";
        fold.append(summary, Object.assign(new Image(), { src: sheet.nearest,
          alt: `Images of ${sheet.method}, each row above the nearest training images, the nearest first` }));
        figure.append(fold);
      }
      return figure;
    }));
  };
  picker.addEventListener("change", draw);
  picker.querySelector(".choices").hidden = false;
  draw();
}

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
  const target = location.hash && document.querySelector(location.hash);
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}
addEventListener("hashchange", unfold);
unfold();

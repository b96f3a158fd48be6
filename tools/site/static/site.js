// What is wider than the page scrolls by itself: then the keyboard must reach it, and only then.
function reachable() {
  for (const part of document.querySelectorAll("article pre, article .scroll, .table-wrapper")) {
    if (part.scrollWidth > part.clientWidth) {
      part.tabIndex = 0;
      part.setAttribute("role", "group");
      const figure = part.matches(".rank-lab-still") ? "Figure" : "Table or formula";
      part.setAttribute("aria-label", part.matches("pre") ? "Code or output" : figure);
    } else {
      part.removeAttribute("tabindex");
      part.removeAttribute("role");
      part.removeAttribute("aria-label");
    }
  }
}
reachable();
addEventListener("resize", reachable);
// What is folded has no width before it is opened.
document.addEventListener("toggle", reachable, true);

// The theme's two side columns are landmarks without names.
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Notebooks");
document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");

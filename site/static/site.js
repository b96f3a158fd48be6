// What is wider than the page scrolls by itself: then the keyboard must reach it, and only then.
function reachable() {
  for (const part of document.querySelectorAll("article pre, article .scroll, .table-wrapper")) {
    if (part.scrollWidth > part.clientWidth) {
      part.tabIndex = 0;
      part.setAttribute("role", "region");
      part.setAttribute("aria-label", part.matches("pre") ? "Code or output" : "Table or formula");
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

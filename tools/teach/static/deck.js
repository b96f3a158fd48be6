// Starts reveal.js; loads an explorer when its slide is near, and makes it fill the slide.
"use strict";
{
  const WIDE = 1280, HIGH = 720; // of a slide
  const TEXT = 25; // pixels of an explorer's words, as shown
  const printing = new URLSearchParams(location.search).has("print-pdf");

  // The explorer's page is laid out narrower and enlarged, as far as all of it stays in sight.
  function fit(frame) {
    const page = frame.contentDocument;
    if (!page?.querySelector(".rank-lab")) return;
    for (const part of page.querySelectorAll("h1, .rank-lab-note")) part.style.display = "none";
    const words = page.querySelector(".rank-lab-words"); // said to screen readers, and shown by all else
    Object.assign(words.style, { position: "absolute", clipPath: "inset(50%)", width: "1px", height: "1px", overflow: "hidden" });
    const main = page.querySelector("main");
    main.style.maxWidth = "none";
    main.style.padding = "0";
    page.documentElement.style.overflow = "hidden";
    for (let width = 720; width <= 2 * WIDE; width += 10) {
      const scale = WIDE / width;
      page.documentElement.style.fontSize = `${TEXT / scale / 0.95}px`;
      Object.assign(frame.style, {
        width: `${width}px`, height: `${HIGH / scale}px`, transform: `scale(${scale})`,
      });
      if (main.scrollHeight * scale <= HIGH) return;
    }
  }

  function load(frame) {
    if (frame.src) return;
    frame.addEventListener("load", () => {
      fit(frame);
      // The arrow keys belong to the explorer while one of its controls has them.
      frame.contentWindow.addEventListener("keydown", (event) => {
        if (event.key === "Escape") {
          frame.blur();
          document.querySelector(".reveal").focus();
        }
      });
    });
    frame.src = frame.dataset.explorer;
  }

  const near = (slide) => [slide, slide?.nextElementSibling]
    .flatMap((each) => [...(each?.querySelectorAll("iframe") ?? [])]).forEach(load);

  const main = document.querySelector(".reveal");
  main.tabIndex = -1;
  Reveal.initialize({
    width: WIDE, height: HIGH, margin: 0, center: false, display: "flex", hash: true, transition: "none",
    slideNumber: "c/t", pdfSeparateFragments: false, plugins: [RevealNotes],
  });
  Reveal.on("ready", ({ currentSlide }) =>
    printing ? document.querySelectorAll("iframe").forEach(load) : near(currentSlide));
  Reveal.on("slidechanged", ({ currentSlide }) => near(currentSlide));
}

"""Names for what ipywidgets leaves nameless in a page, for those who hear it.

Neither ipywidgets 7 nor 8 has a setting for them: its slider handles have no accessible
name (those of 7 no role either), a slider over listed values says which of them it is on
and not the value, a chosen toggle button looks chosen and does not say so, and an image
has no alternative text.
"""

from __future__ import annotations

import html

#: Runs in the page. It sets attributes and watches text and children, so it never wakes itself.
_SCRIPT = """
const box = this.closest('.widget-vbox');
const set = (node, names) => {
  for (const [name, value] of Object.entries(names)) node?.setAttribute(name, value);
};
const name = () => {
  for (const slider of box.querySelectorAll('.widget-hslider')) {
    const label = slider.querySelector('label').textContent;
    const readout = slider.querySelector('.widget-readout');
    const handle = slider.querySelector('.noUi-handle, .ui-slider-handle');
    if (!readout || !handle) continue;
    set(handle, {role: 'slider', 'aria-label': label, 'aria-valuetext': readout.textContent});
    if (handle.matches('.ui-slider-handle'))
      set(handle, {'aria-valuenow': parseFloat(readout.textContent)});
    set(readout, {role: 'textbox', 'aria-label': `value of ${label}`});
  }
  for (const button of box.querySelectorAll('.widget-toggle-buttons button'))
    set(button, {'aria-pressed': button.classList.contains('mod-active')});
  const words = [...box.querySelectorAll(':scope > .widget-html')].at(-2);
  set(box.querySelector(':scope > img'), {alt: words?.textContent.trim() ?? ''});
  set(words?.querySelector('.widget-html-content'), {role: 'status'});
};
new MutationObserver(name).observe(box, {childList: true, subtree: true, characterData: true});
name();
"""

#: For a `widgets.HTML` at the end of an explorer's box. A style sheet, here an empty one,
#: is loaded when it comes into the page: that is when its script can look around itself.
NAMING = f'<style onload="{html.escape(" ".join(_SCRIPT.split()))}"></style>'

"""What a headless browser sees of a report page: numbers out of sight, and the faintest text.

The page is laid out in a frame of the width asked for, and a script walks over it.  A cell of a
table is lost where a part of it lies outside of the frame or of a box that clips it.  The contrast
of a text is that of its colour and the first ground below it that is not transparent (WCAG 2.1).
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["BROWSER", "looked_at"]

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

_FRAME = """<!doctype html><meta charset="utf-8"><style>body {{ margin: 0 }}</style>
<iframe id="page" style="width: {width}px; height: 30000px; border: 0" srcdoc="{page}"></iframe>
<pre id="found"></pre>
<script>
const frame = document.getElementById("page");
frame.addEventListener("load", () => {{
  const view = frame.contentWindow, page = frame.contentDocument;
  for (const each of page.querySelectorAll("details")) each.open = true;
  const lost = [];
  for (const cell of page.querySelectorAll("td, th")) {{
    const style = view.getComputedStyle(cell), text = cell.textContent.trim();
    if (!/[0-9]/.test(text)) continue;
    const head = cell.closest("thead");  // of cards it is hidden, and every cell repeats it
    if (head && view.getComputedStyle(head).clipPath !== "none") continue;
    if (style.display === "none") {{ lost.push(text); continue; }}
    const box = cell.getBoundingClientRect();
    let left = 0, right = {width};
    for (let up = cell.parentElement; up; up = up.parentElement) {{
      const clip = view.getComputedStyle(up).overflowX;
      if (clip !== "visible") {{
        const edge = up.getBoundingClientRect();
        left = Math.max(left, edge.left); right = Math.min(right, edge.right);
      }}
    }}
    const cut = cell.scrollWidth > cell.clientWidth + 1;
    if (box.left < left - 1 || box.right > right + 1 || cut || !box.width) lost.push(text);
  }}
  const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = (c) => {{
    const [r, g, b] = c.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }};
  let least = 21, where = "";
  for (const each of page.querySelectorAll("body *")) {{
    const own = [...each.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !each.getClientRects().length) continue;
    let ground = null;
    for (let up = each; up && !ground; up = up.parentElement) {{
      const color = rgb(view.getComputedStyle(up).backgroundColor);
      if (color.length < 4 || color[3] > 0.99) ground = color;
    }}
    const ink = rgb(view.getComputedStyle(each).color);
    const [a, b] = [light(ink), light(ground ?? [255, 255, 255])];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least) [least, where] = [ratio, each.textContent.trim().slice(0, 40)];
  }}
  const wide = page.documentElement.scrollWidth > {width} + 1;
  document.getElementById("found").textContent =
    JSON.stringify({{ lost, wide, cells: page.querySelectorAll("td").length, least, where }});
}});
</script>"""


def looked_at(page: Path, width: int, scheme: str = "light") -> dict[str, Any]:
    """Return what is seen: ``lost`` cells, ``wide``, ``cells``, the ``least`` contrast, ``where``.

    Parameters
    ----------
    page : Path
    width : int
        Of the window, in px.
    scheme : {"light", "dark", "print"}
        Which of the page's styles are used.
    """
    if BROWSER is None:
        raise RuntimeError("a browser must be installed to look at pages: apt install chromium")
    text = page.read_text()
    if scheme == "dark":
        text = text.replace("(prefers-color-scheme: dark)", "all")
    if scheme == "print":
        text = re.sub(r"@media print\b", "@media all", text)
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.html"
        frame.write_text(_FRAME.format(width=width, page=html.escape(text, quote=True)))
        done = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000",
             "--window-size=1600,1200", "--dump-dom", frame.as_uri()],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    if found is None or not found[1]:
        raise RuntimeError(f"the browser did not finish {page}: {done.stderr[-500:]}")
    return json.loads(html.unescape(found[1]))

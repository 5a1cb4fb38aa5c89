// What a page is asked about itself; an object of functions that return lists of what is wrong.
({
  visible(element) { return element.checkVisibility() && element.getBoundingClientRect().width > 0; },

  // Figures without a picture or table that can be seen.
  figures() {
    return [...document.querySelectorAll('figure')].filter((figure) =>
      ![...figure.querySelectorAll('svg, img, table')].some((picture) => {
        const box = picture.getBoundingClientRect();
        return picture.checkVisibility() && box.width > 20 && box.height > 10;
      })).map((figure) => figure.textContent.trim().slice(0, 60));
  },

  // Images whose data no decoder takes.
  async images() {
    const broken = [];
    for (const image of document.querySelectorAll('image, img')) {
      const copy = new Image();
      copy.src = image.getAttribute('href') || image.getAttribute('src');
      try { await copy.decode(); } catch { broken.push(copy.src.slice(0, 60)); continue; }
      if (!(copy.naturalWidth > 0 && image.getBoundingClientRect().width > 0)) broken.push('empty: ' + copy.src.slice(0, 60));
    }
    return broken;
  },

  rgba(text) {
    const parts = text.match(/[\d.]+/g).map(Number);
    return text.startsWith('rgb') ? [...parts.slice(0, 3), parts.length > 3 ? parts[3] : 1] : null;
  },
  over(top, below) { return [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * below[i]); },
  luminance(colour) {
    const [r, g, b] = colour.map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  },
  // The colour behind an element of HTML.
  paper(element) {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = this.rgba(getComputedStyle(e).backgroundColor);
      if (colour && colour[3] > 0) layers.push(colour);
      if (colour && colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => this.over(top, below), [255, 255, 255]);
  },
  // The colour behind a text of a drawing: shapes that come before it and contain its middle.
  drawn(text) {
    const svg = text.ownerSVGElement, box = text.getBoundingClientRect();
    const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    let colour = this.paper(svg.parentElement);
    for (const shape of svg.querySelectorAll('rect')) {
      if (!(shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
      const b = shape.getBoundingClientRect();
      if (x < b.left || x > b.right || y < b.top || y > b.bottom) continue;
      const style = getComputedStyle(shape), fill = style.fill === 'none' ? null : this.rgba(style.fill);
      if (fill) colour = this.over([...fill.slice(0, 3), fill[3] * Number(style.fillOpacity)], colour);
    }
    return colour;
  },
  // Texts whose contrast with what is behind them is below 4.5 : 1 (WCAG 2, success criterion 1.4.3).
  contrast() {
    const found = new Map(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || element.closest('script, style, title, desc, defs') || !this.visible(element)) continue;
      const style = getComputedStyle(element), svg = element.ownerSVGElement;
      const ink = this.rgba(svg ? style.fill : style.color);
      const paper = svg ? this.drawn(element) : this.paper(element);
      const a = this.luminance(this.over(ink, paper)), b = this.luminance(paper);
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) found.set(`${ink} on ${paper.map(Math.round)}`, `${ratio.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
    }
    return [...found].map(([colours, what]) => what + ' (' + colours + ')');
  },

  // Texts of one drawing that lie on each other or reach beyond it.
  overlaps() {
    const wrong = [];
    for (const svg of document.querySelectorAll('figure svg')) {
      if (!this.visible(svg)) continue;
      const frame = svg.getBoundingClientRect(), limits = getComputedStyle(svg).overflow !== 'visible';
      const boxes = [...svg.querySelectorAll('text')].filter((t) => this.visible(t) && !t.closest('defs')).map((t) => {
        const b = t.getBoundingClientRect(), trim = b.height * 0.22;  // room above and below letters
        return { text: t.textContent, left: b.left + 0.5, right: b.right - 0.5, top: b.top + trim, bottom: b.bottom - trim };
      });
      for (const [i, a] of boxes.entries()) {
        if (limits && (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1))
          wrong.push('beyond its picture: ' + a.text);
        for (const b of boxes.slice(i + 1)) {
          if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) wrong.push(a.text + ' | ' + b.text);
        }
      }
    }
    return wrong.slice(0, 20);
  },

  // Pictures that a page on paper could break, or that are wider than it.
  paged(height) {
    const wrong = [];
    for (const picture of document.querySelectorAll('figure svg')) {
      if (!this.visible(picture)) continue;
      const box = picture.getBoundingClientRect();
      let safe = false;
      for (let e = picture; e && e !== document.body; e = e.parentElement) safe = safe || getComputedStyle(e).breakInside === 'avoid';
      const name = picture.closest('figure').querySelector('h3').textContent;
      if (!safe) wrong.push('may be broken: ' + name);
      if (box.height > height) wrong.push(`${Math.round(box.height)} px high: ${name}`);
      if (box.right > document.documentElement.clientWidth + 1) wrong.push('wider than the page: ' + name);
    }
    return wrong;
  },

  // Elements that make the body wider than the window.
  wide() {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width && document.body.scrollWidth <= width) return [];
    return ['the page is ' + document.documentElement.scrollWidth + ' px wide'].concat([...document.body.querySelectorAll('*')]
      .filter((e) => !e.closest('.scroll, svg, pre') && e.getBoundingClientRect().right > width + 1)
      .slice(0, 5).map((e) => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40)));
  },

  // What is still in a language that was switched off.
  seen(lang) {
    return [...document.querySelectorAll('[lang=' + lang + ']')].filter((e) => e !== document.documentElement && this.visible(e))
      .map((e) => e.textContent.slice(0, 40));
  },

  // Opens every closed <details> by a click and looks whether its content shows; closes it again.
  details() {
    const wrong = [];
    for (const details of document.querySelectorAll('details')) {
      const before = details.getBoundingClientRect().height;
      details.querySelector('summary').click();
      if (!details.open || details.getBoundingClientRect().height <= before) wrong.push(details.textContent.trim().slice(0, 40));
      details.open = false;
    }
    return wrong;
  },
})

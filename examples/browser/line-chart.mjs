// A chart of one figure by training step, with a line for each loss.
const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [640, 220];
const MARGIN = { left: 48, right: 20, top: 12, bottom: 28 };

export class LineChart {
  /**
   * @param figure the element to draw into
   * @param lines names, as the classes of the stylesheet
   * @param format of a value, in words
   */
  constructor(figure, { lines, steps, most, ticks, format }) {
    this.steps = steps;
    this.most = most;
    this.format = format;
    const svg = append(figure, 'svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img' });
    svg.setAttribute('aria-label', figure.querySelector('figcaption').textContent);
    for (const tick of ticks) {
      const y = this.y(tick);
      append(svg, 'line', { class: 'grid', x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y, y2: y });
      append(svg, 'text', { class: 'tick', x: MARGIN.left - 8, y: y + 4, 'text-anchor': 'end' }).textContent =
        format(tick);
    }
    for (const step of [0, steps / 4, steps / 2, (3 * steps) / 4, steps]) {
      const place = { class: 'tick', x: this.x(step), y: HEIGHT - 8, 'text-anchor': 'middle' };
      append(svg, 'text', place).textContent = step;
    }
    this.points = new Map(lines.map((name) => [name, []]));
    this.paths = new Map(lines.map((name) => [name, append(svg, 'path', { class: `line ${name}` })]));
  }

  clear() {
    for (const [name, points] of this.points) {
      points.length = 0;
      this.paths.get(name).removeAttribute('d');
    }
  }

  add(name, step, value) {
    const points = this.points.get(name);
    points.push(`${this.x(step).toFixed(1)},${this.y(value).toFixed(1)}`);
    this.paths.get(name).setAttribute('d', `M${points.join('L')}`);
  }

  x(step) {
    return MARGIN.left + (step / this.steps) * (WIDTH - MARGIN.left - MARGIN.right);
  }

  y(value) {
    return HEIGHT - MARGIN.bottom - (Math.min(value, this.most) / this.most) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }
}

function append(parent, name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return parent.appendChild(element);
}

/**
 * Small charts over the last minutes.
 * @module
 */
import uPlot from '../../vendor/uplot.js';
import { html, useEffect, useId, useRef, useState } from '../../vendor/preact.js';
import { short } from './numbers.js';

const HEIGHT = 150;
const dark = matchMedia('(prefers-color-scheme: dark)');

/** @param {string} name of a custom property */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The options of a chart in the colours of the present scheme. */
function optionsOf(series, width, onCursor) {
  const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] },
    scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.15)] } },
    axes: [
      { ...axis, space: 70, values: (_, times) => times.map((at) => new Date(at * 1000).toLocaleTimeString('en-GB')) },
      { ...axis, size: 46, space: 28, values: (_, values) => values.map((value) => value.toLocaleString('en')) },
    ],
    series: [
      {},
      ...series.map(({ token, dash }) => ({ stroke: colour(token), width: 2, dash, points: { show: false }, spanGaps: true })),
    ],
  };
}

/**
 * A chart with the newest values beside its names; while the pointer is over it, those under the pointer.
 * @param {object} props
 * @param {string} props.title
 * @param {string} props.unit such as "ms"
 * @param {{name: string, token: string, dash?: number[]}[]} props.series each with its colour
 * @param {(number | null)[][]} props.data times, then the values of each series
 */
export function Chart({ title, unit, series, data }) {
  const id = useId();
  const box = useRef(null);
  const plot = useRef(null);
  const [under, setUnder] = useState(null);
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(series, box.current.clientWidth, setUnder), latest.current, box.current);
    };
    make();
    const resized = new ResizeObserver(() => plot.current.setSize({ width: box.current.clientWidth, height: HEIGHT }));
    resized.observe(box.current);
    dark.addEventListener('change', make);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', make);
      plot.current.destroy();
    };
  }, []);
  useEffect(() => plot.current.setData(data), [data]);

  const shown = series.map((each, index) => ({ ...each, value: data[index + 1][under ?? data[0].length - 1] }));
  const text = shown.map(({ name, value }) => `${name} ${value == null ? 'unknown' : `${short(value)} ${unit}`}`).join(', ');
  return html`
    <section class="card chart" aria-labelledby=${id}>
      <h3 id=${id}>${title} <span class="hint">${unit}</span></h3>
      <ul class="legend small">
        ${shown.map(({ name, token, value }) => html`
          <li><span class=${`key ${token.slice(2)}`}></span>${name} <b class="number">${value == null ? '–' : short(value)}</b></li>`)}
      </ul>
      <div class="plot" ref=${box} role="img" aria-label=${`${title}, the last ten minutes at most. Newest: ${text}.`}></div>
    </section>
  `;
}

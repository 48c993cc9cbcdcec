/**
 * The figures of one participant: latency, and what became of the frames of the last second.
 * @module
 */
import { html } from '../../vendor/preact.js';
import { sum } from './books.js';
import { reasonText } from './texts.js';

/** @param {{participant: import('./participant.js').Participant}} props */
export function Figures({ participant }) {
  const { lastSecond, latency, counts, format, size } = participant;
  const unencoded = Object.fromEntries(Object.entries(counts.skipped).filter(([, count]) => count));
  const { medianMs, lastMs } = latency;
  return html`
    <div class="counted stack tight">
      <h3>Figures</h3>
      <dl class="figures">
        <div>
          <dt>From capture to ring</dt>
          <dd>${medianMs === null ? 'no ring yet' : `${Math.round(medianMs)} ms (the last one ${Math.round(lastMs)} ms)`}</dd>
        </div>
        <div>
          <dt>Frames of the last second</dt>
          <dd>${lastSecond === null ? 'none' : html`<${Frames} counts=${lastSecond} />`}</dd>
        </div>
        <div>
          <dt>Skipped before encoding</dt>
          <dd>${reasons(unencoded) || 'none'}${counts.unsent > 0 && `; encoded and not sent: ${counts.unsent}`}</dd>
        </div>
        <div>
          <dt>Video</dt>
          <dd>${format ? `${format}, ${size.width} × ${size.height}` : 'nothing is sent'}</dd>
        </div>
      </dl>
    </div>
  `;
}

function Frames({ counts }) {
  const skipped = sum(counts.skipped);
  const dropped = sum(counts.dropped);
  const parts = [
    ['analysed', counts.analysed],
    ['skipped', skipped],
    ['dropped', dropped],
  ];
  return html`
    <span>${counts.received} received: ${counts.analysed} analysed,
      ${' '}${skipped} skipped${detail(counts.skipped)}, ${dropped} dropped${detail(counts.dropped)}</span>
    <svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      ${stack(parts).map(([name, x, width]) => html`<rect class=${name} x=${x} y="0" width=${width} height="6" />`)}
    </svg>
  `;
}

const reasons = (byReason) => Object.entries(byReason).map(([reason, count]) => `${count} ${reasonText(reason)}`).join(', ');

function detail(byReason) {
  const text = reasons(byReason);
  return text && ` (${text})`;
}

/** The parts side by side, in per cent: name, left edge and width of each. */
function stack(parts) {
  const total = parts.reduce((all, [, count]) => all + count, 0) || 1;
  let x = 0;
  return parts.map(([name, count]) => {
    const width = 100 * count / total;
    x += width;
    return [name, x - width, width];
  });
}

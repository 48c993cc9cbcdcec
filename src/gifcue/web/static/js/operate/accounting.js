/**
 * Frame accounting as an equation.
 * @module
 */
import { html } from '../../vendor/preact.js';
import { entries, percent, short, sum, whole } from './numbers.js';

// What each reason means; docs/architecture.md has the whole table.
const REASONS = {
  similar: 'similar to the picture analysed last',
  paced: 'sooner than the analysis rate allows',
  no_picture: 'no picture by itself',
  unknown_participant: 'no such participant',
  not_allowed: 'no label is allowed',
  empty_payload: 'no bytes',
  frame_too_large: 'larger than the limit',
  rate_limit: 'more frames a second than the limit',
  sequence_gap: 'a frame before it is missing',
  awaiting_keyframe: 'waits for a keyframe',
  invalid_data: 'the decoder refuses it',
  resolution_too_large: 'more pixels than the limit',
  too_expensive: 'its decoder would take too much memory',
  overload: 'the server has more to decode than it can',
  left: 'the participant left',
  no_slot: 'no shared memory was free',
  superseded: 'a newer picture replaced it',
  decode_worker_lost: 'its decode worker was lost',
  cpu_budget: 'it took too much CPU time',
  quarantined: 'its participant is refused for a while',
  detect_worker_lost: 'its detector worker was lost',
  detect_failed: 'the detector failed on it',
  draining: 'the stream was drained',
};

function Term({ name, value, token, rate }) {
  return html`
    <div class="term">
      <dt><span class=${`key ${token}`}></span>${name}</dt>
      <dd><b class="number">${whole(value)}</b>${rate !== undefined && html`<span class="hint number">${short(rate)} a second</span>`}</dd>
    </div>
  `;
}

function Reasons({ title, counts, received }) {
  const shown = entries(counts);
  if (!shown.length) return null;
  return html`
    <table class="reasons">
      <caption class="small">${title}</caption>
      <thead><tr><th scope="col">Reason</th><th scope="col" class="number">Frames</th><th scope="col" class="number">Share</th></tr></thead>
      <tbody>
        ${shown.map(([reason, count]) => html`
          <tr key=${reason}>
            <th scope="row"><code>${reason}</code> ${REASONS[reason] && html`<span class="hint">${REASONS[reason]}</span>`}</th>
            <td class="number">${whole(count)}</td>
            <td class="number">${percent(count / received)}</td>
          </tr>`)}
      </tbody>
    </table>
  `;
}

/**
 * @param {object} props
 * @param {object} props.books `FrameBooks` of the wire
 * @param {import('./history.js').History} props.history
 */
export function Accounting({ books, history }) {
  const received = Number(books.received);
  const parts = [
    { name: 'analysed', value: Number(books.analysed), token: 'series-1' },
    { name: 'skipped', value: sum(books.skipped), token: 'series-2' },
    { name: 'dropped', value: sum(books.dropped), token: 'series-3' },
    { name: 'in flight', value: Number(books.inFlight), token: 'series-4' },
  ];
  const unaccounted = received - parts.reduce((total, part) => total + part.value, 0);
  return html`
    <section class="card stack tight" aria-labelledby="accounting">
      <div class="row apart">
        <h2 id="accounting">Frame accounting</h2>
        ${unaccounted === 0
          ? html`<p class="row small"><span class="dot good"></span>Every frame is accounted for</p>`
          : html`<p class="row small bad"><span class="dot bad"></span>${whole(unaccounted)} frames are not accounted for: report this as a defect</p>`}
      </div>
      <dl class="equation figures">
        <${Term} name="received" value=${received} token="series-0" rate=${history.rate('received')} />
        ${parts.map((part) => html`
          <${Term} ...${part} rate=${part.name === 'in flight' ? undefined : history.rate(part.name)} />`)}
      </dl>
      ${received > 0 && html`
        <svg class="shares" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
          ${parts.map((part, index) => html`
            <rect class=${part.token} height="10" width=${(part.value / received) * 1000}
              x=${(parts.slice(0, index).reduce((total, each) => total + each.value, 0) / received) * 1000} />`)}
        </svg>`}
      <div class="pair">
        <${Reasons} title="Skipped: no analysis was needed" counts=${books.skipped} received=${received} />
        <${Reasons} title="Dropped: lost to analysis" counts=${books.dropped} received=${received} />
      </div>
    </section>
  `;
}

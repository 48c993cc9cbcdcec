/**
 * What the server recognised, and what became of it.
 * @module
 */
import { html } from '../../vendor/preact.js';
import { entries, percent, sum, whole } from './numbers.js';

const WITHHELD = {
  quiet: 'the rule book shows nothing in the room',
  without: 'the room goes without the label',
  no_rule: 'no rule answers the label',
  score: 'the score is below that of the rule',
  participant_cooldown: 'the participant was answered a short while ago',
  room_cooldown: 'the room was answered a short while ago',
  dry_run: 'the rule book is a dry run',
};

/** @param {{status: object}} props the answer of GetStatus */
export function Reactions({ status }) {
  const labels = [...new Set([...Object.keys(status.reactions), ...Object.keys(status.dismissals)])].sort();
  return html`
    <section class="card stack tight" aria-labelledby="reactions">
      <h2 id="reactions">Reactions</h2>
      ${labels.length === 0 ? html`<p class="muted">None has started yet.</p>` : html`
        <div class="scroll" role="region" aria-label="Table of reactions" tabindex="0">
          <table>
            <thead><tr>
              <th scope="col">Label</th><th scope="col" class="number">Started</th><th scope="col" class="number">Dismissed</th>
              <th scope="col" class="number">Meant</th>
            </tr></thead>
            <tbody>
              ${labels.map((label) => {
                const started = Number(status.reactions[label] ?? 0);
                const dismissed = Number(status.dismissals[label] ?? 0);
                return html`
                  <tr key=${label}>
                    <th scope="row"><code>${label}</code></th>
                    <td class="number">${whole(started)}</td>
                    <td class="number">${whole(dismissed)}</td>
                    <td class="number">${started ? percent(1 - dismissed / started) : '–'}</td>
                  </tr>`;
              })}
            </tbody>
          </table>
        </div>
        <p class="hint">Meant is the share that nobody dismissed: the precision, as far as participants report mistakes.</p>`}
      <${Withheld} counts=${status.withheld} />
    </section>
  `;
}

function Withheld({ counts }) {
  const shown = entries(counts);
  return html`
    <h3>Shown without a GIF <span class="hint number">${whole(sum(counts))}</span></h3>
    ${shown.length === 0 ? html`<p class="muted">The rules have withheld none.</p>` : html`
      <${Counts} title="Why the rules withheld a GIF" what="Reason" counts=${counts} meanings=${WITHHELD} />`}
  `;
}

/**
 * A table of counts.
 * @param {object} props
 * @param {string} props.title for screen readers
 * @param {string} props.what the heading of the first column
 * @param {Record<string, string | number>} props.counts
 * @param {Record<string, string>} [props.meanings] what the names mean
 */
export function Counts({ title, what, counts, meanings = {} }) {
  return html`
    <table>
      <caption class="unseen">${title}</caption>
      <thead><tr><th scope="col">${what}</th><th scope="col" class="number">Count</th></tr></thead>
      <tbody>
        ${entries(counts).map(([name, count]) => html`
          <tr key=${name}>
            <th scope="row"><code>${name}</code> ${meanings[name] && html`<span class="hint">${meanings[name]}</span>`}</th>
            <td class="number">${whole(count)}</td>
          </tr>`)}
      </tbody>
    </table>
  `;
}

/**
 * The card of one participant: the picture, the consent, the reactions, and what keeps others from starting.
 * @module
 */
import { html, useId } from '../../vendor/preact.js';
import { Figures } from './figures.js';
import { GifPicture } from './gif.js';
import { Stage } from './stage.js';
import { conditionText, howTo, labelText, withheldText } from './texts.js';

/**
 * @param {object} props
 * @param {import('./participant.js').Participant} props.participant
 * @param {string[]} props.labels labels that can be agreed to
 * @param {() => void} props.onRemove
 */
export function Card({ participant, labels, onRemove }) {
  const shown = participant.reactions.find(({ isVisible }) => isVisible);
  const id = useId();
  return html`
    <section class="card participant" aria-labelledby=${id} data-participant=${participant.id}>
      <div class="seen">
        <div class="row apart">
          <h2 id=${id} tabindex="-1">${participant.name}</h2>
          <div class="row">
            ${!participant.isPlaying && html`<button class="little" onClick=${() => participant.replay()}>Play again</button>`}
            <button class="little" onClick=${onRemove}>
              ${participant.id === 'camera' ? 'Stop the camera' : html`Remove<span class="unseen"> ${participant.name}</span>`}
            </button>
          </div>
        </div>
        <${Stage} participant=${participant}>
          ${shown?.gif && html`
            <figure class="gif" key=${shown.id}>
              <${GifPicture} gif=${shown.gif} />
              <figcaption>
                <span>${labelText(shown.label)}</span>
                <button class="little" onClick=${() => participant.dismiss(shown)}>Not meant</button>
              </figcaption>
            </figure>`}
        <//>
        <p class="hint now">${nowText(participant)}</p>
        ${participant.fault && html`<p class="notice bad small" role="alert">The server reports: ${participant.fault.message}</p>`}
      </div>
      <div class="told stack">
        <${Consent} participant=${participant} labels=${labels} />
        <${Reasons} participant=${participant} />
        <${Reactions} participant=${participant} />
      </div>
      <${Figures} participant=${participant} />
    </section>
  `;
}

function nowText({ effective, holding, isPlaying, reactions }) {
  if (!isPlaying) return 'The video has ended.';
  if (!effective.length) return 'No picture is sent while no reaction is allowed.';
  if (holding) return `Hold it: ${labelText(holding.label)}, ${Math.round(100 * holding.progress)} %`;
  const on = reactions.find(({ isOver }) => !isOver);
  return on ? `${labelText(on.label)} is on.` : 'Waiting for a reaction.';
}

function Consent({ participant, labels }) {
  return html`
    <fieldset class="stack tight">
      <legend>${participant.id === 'camera' ? 'You agree to these reactions' : `${participant.name} agrees to these reactions`}</legend>
      <div class="row">
        ${labels.map((label) => html`
          <label class="chip" key=${label} title=${howTo(label)}>
            <input type="checkbox" name=${label} checked=${participant.allowed.has(label)}
              onChange=${({ target }) => participant.consent(label, target.checked)} />
            ${labelText(label)}
          </label>`)}
      </div>
      ${!participant.allowed.size && html`<p class="hint">Tick what may become a GIF. You can take it back at any time.</p>`}
    </fieldset>
  `;
}

function Reasons({ participant }) {
  const { allowed, unmet, reactions } = participant;
  if (!allowed.size) return null;
  const byLabel = new Map(unmet.map((each) => [each.label, each]));
  const isOn = (label) => reactions.some((shown) => shown.label === label && !shown.isOver);
  return html`
    <div class="stack tight">
      <h3>What is missing</h3>
      <ul class="reasons">
        ${[...allowed].map((label) => {
          const reason = byLabel.get(label);
          return html`
            <li key=${label}>
              <span class="what">${labelText(label)}</span>
              <span class="why">${isOn(label) ? 'Nothing. It is on.' : reason ? conditionText(reason) : howTo(label)}</span>
            </li>`;
        })}
      </ul>
    </div>
  `;
}

function Reactions({ participant }) {
  const { reactions } = participant;
  if (!reactions.length) return null;
  return html`
    <div class="stack tight">
      <h3>Reactions</h3>
      <ul class="reactions">
        ${reactions.map((shown) => html`
          <li key=${shown.id} class=${shown.isDismissed ? 'dismissed' : ''}>
            <span class="what">${labelText(shown.label)}</span>
            <span class="why">${shown.gif ? shown.gif.title : withheldText(shown.gifReason)}</span>
            ${shown.isDismissed
              ? html`<span class="hint">Not meant</span>`
              : html`<button class="little" onClick=${() => participant.dismiss(shown)}>
                  Not meant<span class="unseen">: ${labelText(shown.label)}</span>
                </button>`}
          </li>`)}
      </ul>
    </div>
  `;
}

/**
 * Asks before something is done.
 * @module
 */
import { html, useEffect, useId, useRef } from '../../vendor/preact.js';

/**
 * What is asked.
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text what happens
 * @property {string} yes the text of the button that does it
 * @property {boolean} [isDangerous] whether it cannot be undone from this page
 * @property {() => void} onYes
 */

/**
 * @param {object} props
 * @param {Question | null} props.question null: nothing is asked
 * @param {() => void} props.onClose
 */
export function Confirm({ question, onClose }) {
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => {
    if (question) dialog.current.showModal();
  }, [question]);
  if (!question) return null;
  const answer = (isYes) => {
    // Closed first, so that the focus goes back to the button that asked.
    dialog.current.close();
    if (isYes) question.onYes();
  };
  return html`
    <dialog ref=${dialog} class="card" aria-labelledby=${`${id}-title`} aria-describedby=${`${id}-text`} onClose=${onClose}>
      <form method="dialog" class="stack" onSubmit=${(event) => { event.preventDefault(); answer(true); }}>
        <h2 id=${`${id}-title`}>${question.title}</h2>
        <p id=${`${id}-text`}>${question.text}</p>
        <div class="row">
          <button type="button" autofocus onClick=${() => answer(false)}>Cancel</button>
          <button class=${question.isDangerous ? 'danger' : 'primary'}>${question.yes}</button>
        </div>
      </form>
    </dialog>
  `;
}

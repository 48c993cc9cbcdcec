/**
 * The access token of a page. It is kept for the tab alone, and goes only to this server.
 * @module
 */
import { html, useId, useState } from '../vendor/preact.js';

const KEY = 'gifcue.token';

/** The token of this tab, "" without one. */
export function readToken() {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return ''; // a browser that keeps nothing
  }
}

/** @param {string} token "" forgets it */
export function keepToken(token) {
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // It is asked for again after a reload.
  }
}

/**
 * Asks for a token.
 * @param {object} props
 * @param {string} props.scope what the token must allow: "stream" or "operate"
 * @param {string} [props.problem] what the server said of the token before
 * @param {boolean} [props.isKept] whether the tab keeps it, true by default; false: only the page does, until it is reloaded
 * @param {(token: string) => void} props.onToken
 */
export function TokenForm({ scope, problem, isKept = true, onToken }) {
  const [value, setValue] = useState('');
  const id = useId();
  const submit = (event) => {
    event.preventDefault();
    const token = value.trim();
    if (!token) return;
    if (isKept) keepToken(token);
    onToken(token);
  };
  return html`
    <form class="notice warn" onSubmit=${submit}>
      <label for=${id}>This server asks for an access token</label>
      ${problem && html`<p class="small">The server says: ${problem}</p>`}
      <p class="hint" id=${`${id}-hint`}>
        Ask whoever runs the server for one, or make one with <code>gifcue token new --scope ${scope}</code>. It is kept in this tab until you ${isKept ? 'close it' : 'reload or close it'}.
      </p>
      <div class="row">
        <input id=${id} type="password" autocomplete="off" spellcheck=${false} aria-describedby=${`${id}-hint`}
          value=${value} onInput=${(event) => setValue(event.target.value)} />
        <button class="primary">Use this token</button>
      </div>
    </form>
  `;
}

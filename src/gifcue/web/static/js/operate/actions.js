/**
 * What an operator can make the server do.
 * @module
 */
import { html, useId, useState } from '../../vendor/preact.js';
import { Confirm } from './dialog.js';
import { whole } from './numbers.js';

const LEVELS = ['debug', 'info', 'warning', 'error'];

const streamsOf = (count) => `${whole(count)} ${count === 1 ? 'stream' : 'streams'}`;

/** How many streams a share is, as the server rounds. */
const shareOf = (percent, count) => Math.ceil((percent / 100) * count - 1e-9);

/**
 * @param {object} props
 * @param {import('./api.js').Api} props.api
 * @param {object} props.status the answer of GetStatus
 * @param {() => void} props.onDone called after an action, so that the figures are read again
 */
export function Actions({ api, status, onDone }) {
  const [question, setQuestion] = useState(null);
  const [outcome, setOutcome] = useState({ kind: '', text: '' });
  const [isBusy, setIsBusy] = useState(false);

  const run = async (action, request, textOf) => {
    setIsBusy(true);
    try {
      setOutcome({ kind: 'good', text: textOf(await api.act(action, request)) });
    } catch (error) {
      setOutcome({ kind: 'bad', text: error.message });
    }
    setIsBusy(false);
    onDone();
  };
  const ask = (asked) => setQuestion(asked);
  const shared = { ask, run, isBusy, status };
  return html`
    <section class="card stack" aria-labelledby="actions">
      <h2 id="actions">Actions</h2>
      <div class="actions">
        <${Move} ...${shared} />
        <${Whole} ...${shared} />
        <${Rules} ...${shared} />
        <${Gestures} ...${shared} />
        <${Log} ...${shared} />
      </div>
      <div role="status">
        ${outcome.text && html`<p class=${`notice ${outcome.kind}`}>${outcome.text}</p>`}
      </div>
      <${Confirm} question=${question} onClose=${() => setQuestion(null)} />
    </section>
  `;
}

function Move({ ask, run, isBusy, status }) {
  const id = useId();
  const [percent, setPercent] = useState('50');
  const [seconds, setSeconds] = useState(String(status.limits.drainTimeoutMs / 1000));
  const staying = status.capacity.streams - status.drain.streamsMoving;
  const submit = (event) => {
    event.preventDefault();
    const share = Number(percent) / 100;
    const deadlineMs = Math.round(Number(seconds) * 1000);
    ask({
      title: `Move ${streamsOf(shareOf(Number(percent), staying))}?`,
      text: `They are asked to open again on another server, and are ended after ${seconds} s at the latest. `
        + (share === 1 ? 'New streams are refused until you take streams again.' : 'This server goes on to take streams.'),
      yes: 'Move them',
      onYes: () => run('drain', { share, deadlineMs }, (answer) => `${streamsOf(answer.streams)} asked to move, ${whole(answer.remaining)} stay.`),
    });
  };
  return html`
    <form class="stack tight" onSubmit=${submit}>
      <h3>Move streams</h3>
      <p class="hint">After servers were added, a share of the streams can open again elsewhere. ${streamsOf(status.drain.streamsMoving)} moving now.</p>
      <div class="fields">
        <div>
          <label for=${`${id}-share`}>Share, %</label>
          <input id=${`${id}-share`} type="number" min="1" max="100" step="1" required value=${percent} onInput=${(event) => setPercent(event.target.value)} />
        </div>
        <div>
          <label for=${`${id}-deadline`}>Within, s</label>
          <input id=${`${id}-deadline`} type="number" min="0.1" max="3600" step="any" required value=${seconds} onInput=${(event) => setSeconds(event.target.value)} />
        </div>
      </div>
      <div class="row"><button disabled=${isBusy || staying === 0}>Move streams…</button></div>
    </form>
  `;
}

function Whole({ ask, run, isBusy, status }) {
  const { drain, capacity } = status;
  const count = capacity.streams - drain.streamsMoving;
  const all = () => ask({
    title: 'Drain this server?',
    text: `${streamsOf(count)} and all new ones go elsewhere. Readiness reports that this server takes none, until you take streams again.`,
    yes: 'Drain it',
    onYes: () => run('drain', { share: 1 }, (answer) => `${streamsOf(answer.streams)} asked to move. New ones are refused.`),
  });
  const end = () => ask({
    title: 'End the process?',
    text: `It drains ${streamsOf(capacity.streams)} and ends, as after SIGTERM. Whatever supervises it may start it again; this page cannot.`,
    yes: 'End the process',
    isDangerous: true,
    onYes: () => run('drain', { share: 1, exit: true }, () => 'The server drains and ends.'),
  });
  const resume = () => run('resume', {}, (answer) => (answer.changed ? 'New streams are taken again.' : 'New streams were not refused.'));
  return html`
    <div class="stack tight">
      <h3>The whole server</h3>
      <p class="hint">${drain.exits ? 'The process ends.' : drain.refusesStreams ? 'New streams are refused.' : 'New streams are taken.'}</p>
      <div class="row">
        ${drain.refusesStreams
          ? html`<button class="primary" disabled=${isBusy || drain.exits} onClick=${resume}>Take streams again</button>`
          : html`<button disabled=${isBusy} onClick=${all}>Drain…</button>`}
        <button class="danger" disabled=${isBusy || drain.exits} onClick=${end}>End the process…</button>
      </div>
    </div>
  `;
}

function Rules({ ask, run, isBusy, status }) {
  const textOf = (answer) => {
    const doubtful = answer.doubtfulLines.length ? ` Lines that name labels or GIFs that this server does not have: ${answer.doubtfulLines.join(', ')}.` : '';
    return `${answer.changed ? 'The new rule book is in force' : 'The rule book has not changed'}: ${whole(answer.rules)} rules, ${whole(answer.gifs)} GIFs.${doubtful}`;
  };
  const reload = () => ask({
    title: 'Reload the rule book?',
    text: 'The server reads its file at once. Where the file has mistakes, the book in force stays.',
    yes: 'Reload it',
    onYes: () => run('reload-rules', {}, textOf),
  });
  return html`
    <div class="stack tight">
      <h3>Rule book</h3>
      <p class="hint">${status.rules.hasProblem ? 'The file has mistakes, and the book before it is in force.' : 'The file is read by itself every few seconds.'}</p>
      <div class="row"><button disabled=${isBusy} onClick=${reload}>Reload the rule book…</button></div>
    </div>
  `;
}

function Gestures({ ask, run, isBusy }) {
  const textOf = (answer) => {
    const problems = answer.problems.map(({ file, problem }) => `${file || 'The folder'}: ${problem}`).join(' ');
    return `Gestures in service: ${answer.labels.join(', ') || 'none of your own'}. ${problems}`;
  };
  const reload = () => ask({
    title: 'Reload the gestures?',
    text: 'The server reads the folder of custom gestures at once. A file that it cannot serve changes nothing else.',
    yes: 'Reload them',
    onYes: () => run('reload-gestures', {}, textOf),
  });
  return html`
    <div class="stack tight">
      <h3>Gestures</h3>
      <p class="hint">The folder of custom gestures is read by itself every few seconds.</p>
      <div class="row"><button disabled=${isBusy} onClick=${reload}>Reload the gestures…</button></div>
    </div>
  `;
}

function Log({ ask, run, isBusy, status }) {
  const id = useId();
  const [chosen, setChosen] = useState('');
  const level = chosen || status.logLevel;
  const submit = (event) => {
    event.preventDefault();
    ask({
      title: `Log from ${level} on?`,
      text: 'This holds until the server restarts. At the levels warning and error, the log does not say when streams open and close.',
      yes: 'Change the level',
      onYes: () => run('log-level', { level }, (answer) => `The log level is ${level}, it was ${answer.previous}.`).then(() => setChosen('')),
    });
  };
  return html`
    <form class="stack tight" onSubmit=${submit}>
      <h3>Log</h3>
      <label for=${id}>Least severe level</label>
      <div class="row">
        <select id=${id} class="narrow" value=${level} onChange=${(event) => setChosen(event.target.value)}>
          ${LEVELS.map((each) => html`<option value=${each}>${each}</option>`)}
        </select>
        <button disabled=${isBusy || level === status.logLevel}>Change…</button>
      </div>
    </form>
  `;
}

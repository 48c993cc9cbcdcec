/**
 * The page to teach a gesture: record it, train it, try it, keep it.
 * @module
 */
import { html, render, useCallback, useEffect, useRef, useState } from '../../vendor/preact.js';
import { PageFrame, focusOn } from '../frame.js';
import { GifPicture } from '../live/gif.js';
import { Stage } from '../live/stage.js';
import { connectionText, labelText } from '../live/texts.js';
import { Code } from '../status.js';
import { TokenForm, readToken } from '../token.js';
import { Lesson } from './lesson.js';
import { Skeleton } from './skeleton.js';
import { Steps } from './steps.js';

const DOTS = { ready: 'good', waiting: 'warn', ended: 'bad' };
const REFUSED = new Set([Code.UNAUTHENTICATED, Code.PERMISSION_DENIED]);

/** The address of the stream on the server of this page. */
function streamAddress() {
  const url = new URL('/stream', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** The lesson, and a function that replaces it by one with another token. */
function useLesson(onAnnounce) {
  const [, setTick] = useState(0);
  const frame = useRef(null);
  const lesson = useRef(null);
  // At most once for each picture that the browser paints.
  const changed = useCallback(() => {
    frame.current ??= requestAnimationFrame(() => {
      frame.current = null;
      setTick((tick) => tick + 1);
    });
  }, []);
  const open = useCallback((token) => {
    lesson.current?.close();
    lesson.current = new Lesson({ url: streamAddress(), token, onChange: changed, onAnnounce });
    lesson.current.refresh();
    changed();
  }, []);
  useEffect(() => {
    open(readToken());
    return () => lesson.current.close();
  }, []);
  return [lesson.current, open];
}

function App() {
  const [said, setSaid] = useState('');
  const [lesson, open] = useLesson((text) => setSaid((last) => (text === last ? `${text}\u00a0` : text))); // else the same text is not read again
  const state = lesson?.state ?? { name: 'idle' };
  return html`
    <${PageFrame} current="/teach" status=${state.name !== 'idle' && html`
      <p class="row small connection"><span class=${`dot ${DOTS[state.name] ?? ''}`}></span>${connectionText(state)}</p>`}>
      <div class="stack">
        <div class="stack tight">
          <h1>Teach it a gesture of your own.</h1>
          <p class="muted lead">Show it thirty times. It is trained in seconds and served without a restart. No picture is stored.</p>
        </div>
        ${lesson && html`<${Problem} lesson=${lesson} onOpen=${open} />`}
        ${lesson?.catalog && html`
          <div class="desk">
            <div class="stack watch"><${Watch} lesson=${lesson} /></div>
            <${Steps} lesson=${lesson} />
          </div>
          <${Service} lesson=${lesson} />
          <${Privacy} />`}
        ${lesson && !lesson.catalog && !lesson.problem && html`<p class="card muted">Asking the server which gestures it has…</p>`}
      </div>
      <p role="status" class="unseen">${said}</p>
    <//>
  `;
}

function Problem({ lesson, onOpen }) {
  const { problem, state } = lesson;
  // 403: a token that does not allow it, or a server that lets nobody teach from here.
  if (problem?.status === 401 || (problem?.status === 403 && readToken()) || (state.name === 'ended' && REFUSED.has(state.status.code))) {
    return html`<${TokenForm} scope="operate --scope stream" problem=${problem?.message ?? state.status.details} onToken=${onOpen} />`;
  }
  if (!problem) return null;
  return html`
    <div class="notice bad" role="alert">
      <p>${problem.message}</p>
      ${!lesson.catalog && html`<div><button class="little" onClick=${() => lesson.refresh()}>Try again</button></div>`}
    </div>
  `;
}

function Watch({ lesson }) {
  const [problem, setProblem] = useState('');
  const [isOpening, setOpening] = useState(false);
  const { participant, recording, seen } = lesson;
  const attempt = async (act) => {
    setProblem('');
    setOpening(true);
    try {
      await act();
      focusOn('.watch .hint'); // the button that was pressed is gone
    } catch (error) {
      setProblem(error.message);
    } finally {
      setOpening(false);
    }
  };
  if (!participant) {
    return html`
      <div class="card stack empty">
        <p>Your picture appears here. It is sent to this server while you teach, and no longer.</p>
        <div class="row">
          <button class="primary" disabled=${isOpening} onClick=${() => attempt(() => lesson.studio.startCamera())}>
            ${isOpening ? 'Opening the camera…' : 'Start the camera'}
          </button>
          <label class="button files">
            Use a video file
            <input class="unseen" type="file" accept="video/*" onChange=${({ target }) => target.files[0] && attempt(() => lesson.studio.useFile(target.files[0]))} />
          </label>
        </div>
        ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      </div>
    `;
  }
  const shown = lesson.alarms.find(({ isOver, isFalse }) => !isOver && !isFalse);
  const gif = lesson.catalog.gifs.find(({ id }) => id === lesson.gif);
  return html`
    <div class="stack tight">
      <${Stage} participant=${participant}>
        <${Skeleton} seen=${seen} isMirrored=${participant.source.isMirrored} isRecording=${Boolean(recording)} />
        ${recording && html`<p class="badge recording"><span class="lamp" aria-hidden="true"></span>Recording ${lesson[recording].length}</p>`}
        ${shown && html`
          <figure class="gif">
            ${gif && html`<${GifPicture} gif=${gif} />`}
            <figcaption>${labelText(lesson.label)}</figcaption>
          </figure>`}
      <//>
      <div class="row apart">
        <p class="hint" tabindex="-1">${watchText(lesson)}</p>
        <button class="little" onClick=${() => { lesson.studio.stop(); focusOn('#main'); }}>Stop the camera</button>
      </div>
    </div>
  `;
}

function watchText({ label, nameProblem, seen, state }) {
  if (!label || nameProblem) return 'Name the gesture first. Until then no picture is sent.';
  if (state.name !== 'ready') return connectionText(state);
  if (!seen) return 'Waiting for the first answer of the server.';
  const count = seen.hands.length;
  return count ? `${count === 1 ? 'One hand is' : `${count} hands are`} seen.` : 'No hand is seen. Hold one into the picture.';
}

function Service({ lesson }) {
  const { gestures, problems, folder } = lesson.catalog;
  return html`
    <section class="card stack tight" aria-labelledby="service">
      <h2 id="service">Gestures in service</h2>
      ${!gestures.length && html`<p class="muted">None yet. What you keep appears here.</p>`}
      ${gestures.length > 0 && html`
        <div class="scroll"><table>
          <thead><tr><th scope="col">Label</th><th scope="col">GIF</th><th scope="col" class="number">Samples</th><th scope="col">Kept in</th><th scope="col"><span class="unseen">Delete</span></th></tr></thead>
          <tbody>
            ${gestures.map(({ label, gif, samples, file, has_rule: hasRule }) => html`
              <tr key=${label}>
                <th scope="row"><code>${label}</code></th>
                <td>${hasRule ? 'by the rule book' : gif ?? 'none'}</td>
                <td class="number">${samples}</td>
                <td>${file ?? 'memory, until the server stops'}</td>
                <td><${Delete} label=${label} onDelete=${() => lesson.remove(label)} /></td>
              </tr>`)}
          </tbody>
        </table></div>`}
      ${problems.map(({ file, problem }) => html`
        <p class="notice warn small" key=${file}><span><code>${file || 'The folder'}</code> is not served as it stands: ${problem}</span></p>`)}
      ${!folder.writable && html`
        <p class="hint">
          ${folder.configured ? 'The folder of gestures cannot be written to' : html`No folder of gestures is configured (<code>detect.gestures_dir</code>)`}:
          what you keep is served until the server stops.
        </p>`}
    </section>
  `;
}

function Delete({ label, onDelete }) {
  const [isSure, setSure] = useState(false);
  const confirm = useRef(null);
  useEffect(() => { if (isSure) confirm.current?.focus(); }, [isSure]);
  if (!isSure) return html`<button class="little" onClick=${() => setSure(true)}>Delete<span class="unseen"> ${label}</span></button>`;
  return html`
    <span class="row">
      <button ref=${confirm} class="little danger" onClick=${onDelete}>Delete for everybody<span class="unseen">: ${label}</span></button>
      <button class="little quiet" onClick=${() => setSure(false)}>No</button>
    </span>
  `;
}

function Privacy() {
  return html`
    <section class="small muted stack tight" aria-labelledby="privacy">
      <h2 id="privacy">What is kept of you</h2>
      <p>
        The server looks at the picture and answers with 21 points of each hand. The points that you record stay in this page, until you discard them or close it.
        The server has them while it trains.
      </p>
      <p>A gesture that you keep holds the shapes of the hands in your samples, in one file, until it is deleted. It holds no picture, no face and no name but the label.</p>
    </section>
  `;
}

render(html`<${App} />`, document.getElementById('page'));

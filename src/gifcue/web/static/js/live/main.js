/**
 * The page to try gifcue live: a camera or video files in, GIFs out, over the public wire.
 * @module
 */
import { html, render, useCallback, useEffect, useRef, useState } from '../../vendor/preact.js';
import { PageFrame, focusOn } from '../frame.js';
import { Code } from '../status.js';
import { TokenForm, keepToken, readToken } from '../token.js';
import { Card } from './card.js';
import { Room } from './room.js';
import { cameras } from './sources.js';
import { connectionText, howTo, labelText } from './texts.js';

const DOTS = { ready: 'good', connecting: '', waiting: 'warn', ended: 'bad' };

/** The address of the stream on the server of this page. */
function streamAddress() {
  const url = new URL('/stream', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** The room that the address names (`?room=`), else one of this page's own, so that nobody else's cooldowns apply. */
function roomName() {
  return new URLSearchParams(location.search).get('room') || `live-${crypto.getRandomValues(new Uint32Array(1))[0].toString(16)}`;
}

/** A text for the live region. One that is the same as the last would not be read again. */
function told(text, last) {
  return text === last ? `${text}\u00a0` : text;
}

/** The room, and a function that replaces it by one with another token. */
function useRoom(onAnnounce) {
  const [, setTick] = useState(0);
  const frame = useRef(null);
  const room = useRef(null);
  // At most once for each picture that the browser paints.
  const changed = useCallback(() => {
    frame.current ??= requestAnimationFrame(() => {
      frame.current = null;
      setTick((tick) => tick + 1);
    });
  }, []);
  const open = useCallback((token) => {
    room.current?.close();
    const roomId = roomName();
    room.current = new Room({ url: streamAddress(), roomId, token, onChange: changed, onAnnounce });
    changed();
  }, []);
  useEffect(() => {
    open(readToken());
    return () => room.current.close();
  }, []);
  return [room.current, open];
}

function App() {
  const [said, setSaid] = useState('');
  const [problem, setProblem] = useState('');
  const [room, open] = useRoom((text) => setSaid((last) => told(text, last)));
  const state = room?.state ?? { name: 'connecting' };
  /** Runs something that may fail for a reason that the user can change. */
  const attempt = async (act) => {
    setProblem('');
    try {
      await act();
    } catch (error) {
      setProblem(error.message);
    }
  };
  const participants = room?.participants ?? [];
  return html`
    <${PageFrame} current="/live" status=${html`<${Connection} state=${state} />`}>
      <div class="stack">
        <div class="stack tight">
          <h1>Make a gesture. Get a GIF.</h1>
          ${!participants.length && html`
            <p class="muted lead">
              Your browser encodes the video and streams it to this server. The server answers with the reactions that you meant.
              No picture is stored, and none is sent before you agree to a reaction.
            </p>`}
        </div>
        ${state.name === 'ended' && html`<${Ended} status=${state.status} onOpen=${open} />`}
        ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
        <${Controls} room=${room} attempt=${attempt} />
        ${participants.map((participant) => html`
          <${Card} key=${participant.id} participant=${participant} labels=${room.labels} onRemove=${() => { room.remove(participant.id); focusOn('#main'); }} />`)}
        ${!participants.length && html`<${Steps} labels=${room?.labels ?? []} />`}
      </div>
      <p role="status" class="unseen">${said}</p>
    <//>
  `;
}

function Connection({ state }) {
  return html`<p class="row small connection"><span class=${`dot ${DOTS[state.name]}`}></span>${connectionText(state)}</p>`;
}

function Ended({ status, onOpen }) {
  if (status.code === Code.UNAUTHENTICATED || status.code === Code.PERMISSION_DENIED) {
    return html`<${TokenForm} scope="stream" problem=${status.details} onToken=${onOpen} />`;
  }
  return html`
    <div class="notice bad" role="alert">
      <p>The server ended the stream: ${status.details || status.name}.</p>
      <div><button onClick=${() => { keepToken(''); onOpen(''); }}>Connect again</button></div>
    </div>
  `;
}

function Controls({ room, attempt }) {
  const [isOpening, setOpening] = useState(false);
  const [repeats, setRepeats] = useState(false);
  const start = (deviceId) => attempt(async () => {
    setOpening(true);
    try {
      await room.startCamera(deviceId);
      focusOn('[data-participant="camera"] h2'); // the button that was pressed is gone
    } finally {
      setOpening(false);
    }
  });
  const addFiles = ({ target }) => attempt(async () => {
    const files = [...target.files];
    target.value = ''; // the same file can be chosen again
    for (const file of files) await room.addFile(file, repeats);
  });
  return html`
    <div class="row controls">
      ${!room?.camera && html`
        <button class="primary" disabled=${!room || isOpening} onClick=${() => start('')}>
          ${isOpening ? 'Opening the camera…' : 'Start the camera'}
        </button>`}
      ${room?.camera && html`<${CameraChoice} current=${room.camera.source.deviceId} onChoose=${start} />`}
      <label class="button files">
        Add video files
        <input class="unseen" type="file" accept="video/*" multiple disabled=${!room} onChange=${addFiles} />
      </label>
      <label class="row small">
        <input type="checkbox" checked=${repeats} onChange=${({ target }) => setRepeats(target.checked)} />
        Repeat videos
      </label>
    </div>
  `;
}

function CameraChoice({ current, onChoose }) {
  const [devices, setDevices] = useState([]);
  useEffect(() => {
    const look = () => cameras().then(setDevices, () => {});
    look();
    navigator.mediaDevices.addEventListener('devicechange', look);
    return () => navigator.mediaDevices.removeEventListener('devicechange', look);
  }, [current]);
  if (devices.length < 2) return null;
  return html`
    <label class="row small">Camera
      <select value=${current} onChange=${({ target }) => onChoose(target.value)}>
        ${devices.map(({ deviceId, label }, number) => html`<option value=${deviceId}>${label || `Camera ${number + 1}`}</option>`)}
      </select>
    </label>
  `;
}

function Steps({ labels }) {
  return html`
    <ol class="card steps">
      <li><h2>Start the camera</h2><p class="muted">Or add video files: each one is a participant, as in a meeting.</p></li>
      <li><h2>Agree to a reaction</h2><p class="muted">Tick <em>Smile</em>, for example. Nothing is ticked for you.</p></li>
      <li><h2>Hold it for a moment</h2><p class="muted">A ring fills over the picture. When it is full, the GIF appears.</p></li>
    </ol>
    ${labels.length > 0 && html`
      <section class="stack tight known" aria-labelledby="known">
        <h2 id="known">What this server recognises</h2>
        <dl>
          ${labels.map((label) => html`<div key=${label}><dt>${labelText(label)}</dt><dd class="muted">${howTo(label)}</dd></div>`)}
        </dl>
      </section>`}
  `;
}

render(html`<${App} />`, document.getElementById('page'));

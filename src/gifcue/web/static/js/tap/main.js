/**
 * The page that shows the tap: a call between two ends in this page, whose video is copied to gifcue as it is sent.
 * @module
 */
import { html, render, useCallback, useEffect, useRef, useState } from '../../vendor/preact.js';
import { PageFrame, focusOn } from '../frame.js';
import { GifPicture } from '../live/gif.js';
import { connectionText, howTo, labelText } from '../live/texts.js';
import { Code } from '../status.js';
import { TokenForm, readToken } from '../token.js';
import { Phase } from '../../tap/tap.js';
import { Call } from './call.js';

const DOTS = { ready: 'good', connecting: '', waiting: 'warn', ended: 'bad' };
const MAX_REACTIONS = 8;
const LEFT_OUT = {
  consent: 'nothing is agreed to', screen: 'a screen is shared', not_connected: 'no connection to gifcue, or it is full',
  network: 'the network is slow',
  awaiting_keyframe: 'waits for a keyframe', layer: 'another layer serves better', rate: 'more than gifcue takes',
  codec: 'a codec that gifcue does not know', empty: 'nothing in them', too_large: 'too large', error: 'an error of the tap',
};
const NOTHING = { state: { name: 'ended' }, labels: [], allowed: [], reactions: [], frames: null, counts: null, problem: '' };
const parameters = new URLSearchParams(location.search);

function streamAddress(room) {
  const url = new URL('/stream', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.searchParams.set('room', room);
  return url.href;
}

/** The reactions with one more event: each is listed once, the newest first. */
function withEvent(reactions, { phase, reactionId, label, gif }) {
  if (phase === Phase.STARTED) return [{ id: reactionId, label, gif, isOver: false }, ...reactions].slice(0, MAX_REACTIONS);
  if (phase === Phase.ENDED) return reactions.map((each) => (each.id === reactionId ? { ...each, isOver: true } : each));
  return reactions;
}

/** What the page shows of a call, and how it is started and stopped. */
function useCall(near, far) {
  const [shown, setShown] = useState(NOTHING);
  const call = useRef(null);
  const change = useCallback((part) => setShown((before) => ({ ...before, ...(typeof part === 'function' ? part(before) : part) })), []);
  const stop = useCallback(() => {
    call.current?.stop();
    call.current = null;
    setShown(NOTHING);
  }, []);
  const start = useCallback(async (token = readToken()) => {
    stop();
    const room = parameters.get('room') || `tap-${crypto.getRandomValues(new Uint32Array(1))[0].toString(16)}`;
    const mine = new Call({
      near: near.current, far: far.current, codec: parameters.get('codec') ?? '', onFrames: (frames) => change({ frames }),
    });
    call.current = mine;
    change({ state: { name: 'connecting' }, isOn: true });
    try {
      await mine.start({
        url: streamAddress(room), token, room,
        on: {
          state: (state) => change({ state }),
          ready: ({ reactionLabels }) => change({ labels: reactionLabels }),
          reaction: (event) => change(({ reactions }) => ({ reactions: withEvent(reactions, event) })),
          fault: ({ message }) => change({ problem: `The server reports: ${message}` }),
          counts: (counts) => change({ counts }),
          problem: (message) => change({ problem: `The tap reports: ${message}` }),
        },
      });
      if (call.current === mine) focusOn('#stop');
      else mine.stop(); // stopped while the camera was opened
    } catch (error) {
      mine.stop();
      if (call.current === mine) setShown({ ...NOTHING, problem: error.message });
    }
  }, []);
  const allow = useCallback((label, agrees) => change(({ allowed }) => {
    const next = agrees ? [...allowed, label] : allowed.filter((each) => each !== label);
    call.current?.tap?.allow(next);
    return { allowed: next };
  }), []);
  useEffect(() => stop, []);
  return { shown, start, stop, allow };
}

function App() {
  const [near, far] = [useRef(null), useRef(null)];
  const { shown, start, stop, allow } = useCall(near, far);
  const { isOn, state, problem, reactions, status = state.status } = shown;
  const isRefused = isOn && state.name === 'ended' && [Code.UNAUTHENTICATED, Code.PERMISSION_DENIED].includes(status?.code);
  const gif = reactions.find((each) => each.gif && !each.isOver)?.gif;
  return html`
    <${PageFrame} current="/tap" status=${isOn && html`
      <p class="row small connection"><span class=${`dot ${DOTS[state.name]}`}></span>${connectionText(state)}</p>`}>
      <div class="stack">
        <div class="stack tight">
          <h1>Reactions from a call that is under way</h1>
          <p class="muted lead">
            This page calls itself: one end sends your camera, the other receives it. gifcue gets copies of the frames that the call sends
            anyway, so nothing is encoded twice. Nothing is copied before you agree to a reaction.
          </p>
        </div>
        ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
        ${isRefused && html`<${TokenForm} scope="stream" problem=${status.details} onToken=${start} />`}
        <div class="row">
          ${isOn
            ? html`<button id="stop" onClick=${stop}>End the call</button>`
            : html`<button class="primary" onClick=${() => start()}>Start the call</button>`}
        </div>
        <div class="call" hidden=${!isOn}>
          <${End} name="You" video=${near}>${gif && html`<figure class="gif"><${GifPicture} gif=${gif} /></figure>`}<//>
          <${End} name="What the other end receives" video=${far} />
        </div>
        ${isOn && html`<${Consent} ...${shown} allow=${allow} /><${Reactions} reactions=${reactions} /><${Figures} ...${shown} />`}
      </div>
      <p role="status" class="unseen">${reactions[0] ? `${labelText(reactions[0].label)}${reactions[0].isOver ? ' is over' : ''}.` : ''}</p>
    <//>
  `;
}

function End({ name, video, children }) {
  return html`
    <section class="card end">
      <h2>${name}</h2>
      <div class="picture"><video ref=${video} muted playsinline></video>${children}</div>
    </section>
  `;
}

function Consent({ labels, allowed, allow }) {
  return html`
    <fieldset class="card stack tight">
      <legend class="unseen">Consent</legend>
      <h2>You agree to these reactions</h2>
      <div class="row">
        ${labels.map((label) => html`
          <label class="chip" key=${label} title=${howTo(label)}>
            <input type="checkbox" name=${label} checked=${allowed.includes(label)} onChange=${({ target }) => allow(label, target.checked)} />
            ${labelText(label)}
          </label>`)}
        ${!labels.length && html`<p class="hint">The labels come with the connection to gifcue.</p>`}
      </div>
    </fieldset>
  `;
}

function Reactions({ reactions }) {
  return html`
    <section class="card stack tight">
      <h2>Reactions</h2>
      ${reactions.length
        ? html`<ol class="reactions">${reactions.map(({ id, label, isOver, gif }) => html`
            <li key=${id}><strong>${labelText(label)}</strong><span class="muted">${isOver ? 'over' : 'on'}${gif ? `, GIF: ${gif.title}` : ''}</span></li>`)}</ol>`
        : html`<p class="muted">None yet.</p>`}
    </section>
  `;
}

function Figures({ frames, counts }) {
  const leftOut = Object.entries(counts?.leftOut ?? {}).filter(([, count]) => count > 0);
  const rows = [
    ['Encoded for the call', frames?.encoded],
    ['Keyframes among them', frames?.keyframes],
    ['Received at the other end', frames?.received],
    ['Decoded at the other end', frames?.decoded],
    ['Copied to gifcue', counts?.sent],
    ['Keyframes that the tap asked for', counts?.keyframesAsked],
    ...leftOut.map(([reason, count]) => [`Not copied: ${LEFT_OUT[reason] ?? reason}`, count]),
  ];
  return html`
    <section class="card stack tight">
      <h2>Frames</h2>
      <dl class="figures">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd class="number">${value ?? '–'}</dd></div>`)}</dl>
    </section>
  `;
}

render(html`<${App} />`, document.getElementById('page'));

/**
 * The page of operators: the figures of a server, read once a second, and its actions.
 * @module
 */
import { html, render, useCallback, useEffect, useMemo, useRef, useState } from '../../vendor/preact.js';
import { PageFrame } from '../frame.js';
import { TokenForm } from '../token.js';
import { Accounting } from './accounting.js';
import { Actions } from './actions.js';
import { Api } from './api.js';
import { Chart } from './chart.js';
import { History } from './history.js';
import { About, StreamTable, Troubles, Workers } from './machinery.js';
import { percent, short, span, whole } from './numbers.js';
import { Reactions } from './reactions.js';

const EVERY_MS = 1000;
const PAGES = [{ href: '/operate', text: 'Operate' }];
const STATES = {
  SERVING_STATE_STARTING: { text: 'starting', dot: 'warn' },
  SERVING_STATE_SERVING: { text: 'serving', dot: 'good' },
  SERVING_STATE_NOT_SERVING: { text: 'not serving', dot: 'bad' },
  SERVING_STATE_DRAINING: { text: 'draining', dot: 'warn' },
};
const FRAMES = [
  { name: 'received', token: '--series-0' }, { name: 'analysed', token: '--series-1' },
  { name: 'skipped', token: '--series-2', dash: [6, 3] }, { name: 'dropped', token: '--series-3', dash: [2, 3] },
];
const LATENCY = [{ name: 'median', token: '--series-1' }, { name: '95th percentile', token: '--series-3', dash: [6, 3] }];
const LOAD = [{ name: 'participants', token: '--series-1' }, { name: 'streams', token: '--series-2', dash: [6, 3] }];

/**
 * The status, read again and again while the page is shown.
 * @param {Api} api
 */
function useStatus(api) {
  const [read, setRead] = useState({ status: null, problem: null, version: 0 });
  const history = useRef(new History());
  const look = useRef(() => {});
  useEffect(() => {
    let timer;
    let isOver = false;
    // Looks are numbered: the answer to an older one does not replace a newer one.
    let newest = 0;
    look.current = async () => {
      clearTimeout(timer);
      const number = ++newest;
      let status = null;
      let problem = null;
      try {
        status = await api.status();
      } catch (error) {
        problem = error;
      }
      if (isOver || number !== newest) return;
      if (status) history.current.add(status, Date.now() / 1000);
      setRead((before) => ({ status: status ?? before.status, problem, version: before.version + 1 }));
      // Without a token, asking again helps nobody. A page that is not shown asks for nothing.
      if (!problem?.needsToken && !document.hidden) timer = setTimeout(look.current, EVERY_MS);
    };
    const shown = () => { if (!document.hidden) look.current(); };
    document.addEventListener('visibilitychange', shown);
    look.current();
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', shown);
    };
  }, [api]);
  return { ...read, history: history.current, again: useCallback(() => look.current(), []) };
}

function Tile({ name, value, unit, hint, meter, tone }) {
  return html`
    <div class=${`card tile ${tone ?? ''}`}>
      <dt>${name}</dt>
      <dd>
        <span class="value number">${value}</span>${unit && html` <span class="muted">${unit}</span>`}
        ${meter !== undefined && html`<meter min="0" max="1" low="0.8" high="0.95" optimum="0" value=${meter} aria-label=${`${name}, share of the limit`}>${percent(meter)}</meter>`}
        <p class="hint">${hint}</p>
      </dd>
    </div>
  `;
}

function Tiles({ status, history }) {
  const { capacity } = status;
  const isSlow = status.analysisFps < status.maxAnalysisFps;
  return html`
    <dl class="tiles">
      <${Tile} name="Participants" value=${whole(capacity.participants)} unit=${`of ${whole(capacity.maxParticipants)}`}
        meter=${capacity.participants / capacity.maxParticipants} hint="joined, and the most that the limits allow" />
      <${Tile} name="Streams" value=${whole(capacity.streams)} unit=${`of ${whole(capacity.maxStreams)}`}
        meter=${capacity.streams / capacity.maxStreams} hint="open, and the most that the limits allow" />
      <${Tile} name="Latency" value=${short(status.latencyP95Ms)} unit="ms"
        hint=${`for 95 % of the last frames; median ${short(status.latencyP50Ms)} ms`} />
      <${Tile} name="Analysis rate" value=${short(status.analysisFps)} unit=${`of ${short(status.maxAnalysisFps)}`} tone=${isSlow ? 'warned' : ''}
        hint=${isSlow ? 'pictures a second of each participant: lowered by overload' : 'pictures a second of each participant, at most'} />
      <${Tile} name="Frames" value=${short(history.rate('received'))} unit="a second" hint=${`${short(history.rate('analysed'))} analysed, ${short(history.rate('dropped'))} dropped`} />
      <${Tile} name="CPU" value=${short(history.rate('cpuS'))} unit="cores" hint="of the front process and its workers" />
    </dl>
  `;
}

function State({ status, problem }) {
  const state = problem ? { text: problem.needsToken ? 'asks for a token' : 'no answer', dot: 'bad' } : STATES[status?.state] ?? { text: 'unknown', dot: 'warn' };
  return html`
    <p class="row small" role="status"><span class=${`dot ${state.dot}`}></span><b>${state.text}</b></p>
  `;
}

function Page() {
  const api = useMemo(() => new Api(), []);
  const { status, problem, version, history, again } = useStatus(api);
  const charts = useMemo(() => {
    const times = history.times();
    return {
      frames: [times, ...FRAMES.map(({ name }) => history.rates(name))],
      latency: [times, history.values('p50'), history.values('p95')],
      load: [times, history.values('participants'), history.values('streams')],
    };
  }, [version]);
  const useToken = (token) => {
    api.useToken(token);
    again();
  };
  return html`
    <${PageFrame} current="/operate" pages=${PAGES} status=${html`<${State} status=${status} problem=${problem} />`}>
      <div class="stack">
        <div class="row apart">
          <h1>Operate</h1>
          ${status && html`<p class="muted small">gifcue ${status.serverVersion}, up ${span(status.uptimeS)}</p>`}
        </div>
        ${problem?.needsToken && html`<${TokenForm} scope="operate" isKept=${false} problem=${problem.message} onToken=${useToken} />`}
        ${problem && !problem.needsToken && html`
          <div class="notice bad" role="alert"><p>${problem.message} ${status ? 'What stands below is the last that it said.' : ''}</p></div>`}
        ${!status && !problem && html`<p class="muted">Asking the server…</p>`}
        ${status && html`
          <${Tiles} status=${status} history=${history} />
          <${Accounting} books=${status.books} history=${history} />
          <div class="charts">
            <${Chart} title="Frames" unit="a second" series=${FRAMES} data=${charts.frames} />
            <${Chart} title="Latency" unit="ms" series=${LATENCY} data=${charts.latency} />
            <${Chart} title="Load" unit="open" series=${LOAD} data=${charts.load} />
          </div>
          <div class="pair">
            <${Reactions} status=${status} />
            <${Troubles} status=${status} />
          </div>
          <${Workers} status=${status} cpu=${history.rate('cpuS')} />
          <${StreamTable} api=${api} isActive=${!problem} />
          <${Actions} api=${api} status=${status} onDone=${again} />
          <${About} status=${status} />`}
      </div>
    <//>
  `;
}

render(html`<${Page} />`, document.getElementById('page'));

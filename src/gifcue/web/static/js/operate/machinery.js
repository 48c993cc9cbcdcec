/**
 * The processes of the server, its open streams, and what it is made of.
 * @module
 */
import { html, useEffect, useState } from '../../vendor/preact.js';
import { short, size, span, sum, whole } from './numbers.js';
import { Counts } from './reactions.js';

const STREAMS_EVERY_MS = 3000;
const GOOD = { ready: 'good', starting: 'warn', restarting: 'warn', failed: 'bad', stopped: 'warn' };

/** @param {{status: object, cpu: number}} props `cpu`: cores that all processes take */
export function Workers({ status, cpu }) {
  const { workers, process, loopLag } = status;
  return html`
    <section class="card stack tight" aria-labelledby="workers">
      <div class="row apart">
        <h2 id="workers">Processes</h2>
        <p class="small muted number">${short(cpu)} cores in use</p>
      </div>
      <div class="scroll wide" role="region" aria-label="Table of processes" tabindex="0">
        <table>
          <thead><tr>
            <th scope="col">Process</th><th scope="col">State</th><th scope="col" class="number">Restarts</th>
            <th scope="col" class="number">Memory</th><th scope="col" class="number">CPU time</th><th scope="col">Last failure</th>
          </tr></thead>
          <tbody>
            <tr>
              <th scope="row"><code>front</code></th><td><span class="state"><span class="dot good"></span>ready</span></td>
              <td class="number">–</td>
              <td class="number">${size(process.rssBytes)}</td><td class="number">${span(process.cpuS)}</td>
              <td>–</td>
            </tr>
            ${workers.map((worker) => html`
              <tr key=${worker.name}>
                <th scope="row"><code>${worker.name}</code></th>
                <td><span class="state"><span class=${`dot ${GOOD[worker.state] ?? 'warn'}`}></span>${worker.state}</span></td>
                <td class="number">${whole(worker.restarts)}</td>
                <td class="number">${worker.process ? size(worker.process.rssBytes) : '–'}</td>
                <td class="number">${worker.process ? span(worker.process.cpuS) : '–'}</td>
                <td>${worker.lastFailure || '–'}</td>
              </tr>`)}
          </tbody>
        </table>
      </div>
      <p class="hint">
        The event loop of the front process is late by ${short(loopLag.meanMs)} ms on average, and was by ${short(loopLag.maxMs)} ms at most within the
        last minute. Memory that processes share counts for each of them.
      </p>
    </section>
  `;
}

/** @param {{api: import('./api.js').Api, isActive: boolean}} props */
export function StreamTable({ api, isActive }) {
  const [page, setPage] = useState({ streams: [], total: 0, nextPageToken: '' });
  // The tokens of the pages before this one, and of this one last.
  const [tokens, setTokens] = useState(['']);
  const token = tokens.at(-1);
  useEffect(() => {
    if (!isActive) return undefined;
    let isCurrent = true;
    let timer;
    const look = async () => {
      if (!document.hidden) {
        try {
          const answer = await api.streams(token);
          if (isCurrent) setPage(answer);
        } catch {
          // The status says that the server does not answer.
        }
      }
      if (isCurrent) timer = setTimeout(look, STREAMS_EVERY_MS);
    };
    look();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [api, token, isActive]);

  return html`
    <section class="card stack tight" aria-labelledby="streams">
      <div class="row apart">
        <h2 id="streams">Open streams</h2>
        <p class="small muted number">${whole(page.total)}</p>
      </div>
      ${page.streams.length === 0 ? html`<p class="muted">No stream is open.</p>` : html`
        <div class="scroll wide" role="region" aria-label="Table of streams" tabindex="0">
          <table>
            <thead><tr>
              <th scope="col">Session</th><th scope="col" class="number">Age</th><th scope="col" class="number">Participants</th>
              <th scope="col" class="number">Frames a second</th><th scope="col" class="number">Dropped</th>
              <th scope="col" class="number">Reactions</th><th scope="col" class="number">Latency, 95 %</th>
            </tr></thead>
            <tbody>
              ${page.streams.map((stream) => html`
                <tr key=${stream.sessionId}>
                  <th scope="row"><code>${stream.sessionId}</code>${stream.isMoving && html` <span class="hint">moving</span>`}</th>
                  <td class="number">${span(stream.ageS)}</td>
                  <td class="number">${whole(stream.participants)}</td>
                  <td class="number">${short(stream.framesPerS)}</td>
                  <td class="number">${whole(sum(stream.books.dropped))}</td>
                  <td class="number">${whole(stream.reactions)}</td>
                  <td class="number">${short(stream.latencyP95Ms)} ms</td>
                </tr>`)}
            </tbody>
          </table>
        </div>`}
      ${(tokens.length > 1 || page.nextPageToken) && html`
        <div class="row">
          <button class="little" disabled=${tokens.length === 1} onClick=${() => setTokens(tokens.slice(0, -1))}>Earlier streams</button>
          <button class="little" disabled=${!page.nextPageToken} onClick=${() => setTokens([...tokens, page.nextPageToken])}>Later streams</button>
        </div>`}
      <p class="hint">A session is a random name, under which the log has the stream. The latency is that of its slowest participant.</p>
    </section>
  `;
}

/** @param {{status: object}} props the answer of GetStatus */
export function Troubles({ status }) {
  const stills = status.stills;
  return html`
    <section class="card stack tight" aria-labelledby="faults">
      <h2 id="faults">Faults and ends</h2>
      <h3>Faults by code <span class="hint number">${whole(sum(status.faults))}</span></h3>
      ${sum(status.faults) ? html`<${Counts} title="Faults by code" what="Code" counts=${status.faults} />` : html`<p class="muted">None.</p>`}
      <h3>Streams that ended, by status <span class="hint number">${whole(sum(status.streamsByStatus))}</span></h3>
      ${sum(status.streamsByStatus)
        ? html`<${Counts} title="Streams that ended, by status" what="Status" counts=${status.streamsByStatus} />`
        : html`<p class="muted">None.</p>`}
      <h3>Keyframes asked for <span class="hint number">${whole(status.keyframeRequests)}</span></h3>
      <h3>Stills <span class="hint number">${whole(stills.decoded)} decoded, ${whole(sum(stills.failed))} failed, ${whole(sum(stills.refused))} refused</span></h3>
    </section>
  `;
}

/** @param {{status: object}} props the answer of GetStatus */
export function About({ status }) {
  const { build, limits, model, rules } = status;
  const rows = [
    ['gifcue', `${build.version}, Python ${build.python}`],
    ['Model', model ? `${model.name} ${model.version} on ${model.backend}` : 'not loaded yet'],
    ['Digest of the model', build.modelSha256 || '–'],
    ['Digest of the rule book', rules.sha256],
    ['Changes of the rule book', `${whole(rules.reloads)} taken, ${whole(rules.refused)} refused`],
    ['Limits', `${whole(limits.maxStreams)} streams, ${whole(limits.maxParticipants)} participants, ${whole(limits.maxParticipantsPerStream)} on one stream`],
    ['Limits of a participant', `${size(limits.maxFrameBytes)} a frame, ${whole(limits.maxFps)} frames a second, ${short(limits.maxPixels / 1e6)} megapixels`],
  ];
  return html`
    <section class="card stack tight" aria-labelledby="about">
      <h2 id="about">This server</h2>
      <dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${value}</dd></div>`)}</dl>
    </section>
  `;
}

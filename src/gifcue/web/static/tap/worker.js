/**
 * Runs beside a call: hands the sender's encoded frames on to the peer, and copies of them to a session with gifcue. It runs in
 * a worker, where neither a busy page nor a hidden one holds frames up. tap.js starts it.
 *
 * A frame goes on to the peer whatever happens to its copy: the call does not depend on gifcue.
 * @module
 */
import { Session } from './session.js';

/** @param {{kind: string, value?: unknown}} message what tap.js reads */
const tell = (message) => self.postMessage(message);

/** @type {RTCRtpScriptTransformer | null} */
let transformer = null;
/** @type {Session | null} */
let session = null;
let hasPassed = false;
// What tap.js said before the sender was attached. The browser keeps no order between both.
const early = [];

function pass(frame, controller) {
  const copy = session?.copyOf(frame) ?? null;
  controller.enqueue(frame);
  if (copy) session?.take(copy);
  if (!hasPassed) tell({ kind: 'active' });
  hasPassed = true;
}

function obey({ act, value }) {
  if (act === 'start') {
    session?.end();
    session = new Session({ transformer, options: value, tell });
  } else if (act === 'stop') {
    session?.end();
    session = null;
  } else if (act === 'end') tell({ kind: 'over' });
  else session?.[act](value);
}

self.onmessage = ({ data }) => {
  if (transformer) obey(data);
  else early.push(data);
};

self.onrtctransform = (event) => {
  ({ transformer } = event);
  const { readable, writable } = transformer;
  const over = () => {
    session?.end();
    tell({ kind: 'over' });
  };
  readable.pipeThrough(new TransformStream({ transform: pass })).pipeTo(writable).then(over, over);
  for (const each of early.splice(0)) obey(each);
};

tell({ kind: 'loaded' });

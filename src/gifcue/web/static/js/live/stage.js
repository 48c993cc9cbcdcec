/**
 * A participant's picture, with what was found drawn over it: boxes, and the ring that fills while a pose is held.
 * @module
 */
import { html, useEffect, useLayoutEffect, useRef, useState } from '../../vendor/preact.js';
import { RegionKind } from '../../vendor/wire.js';
import { labelText } from './texts.js';

const COLOURS = { [RegionKind.FACE]: '#ffd166', [RegionKind.HAND]: '#7ee0c3' };
const RING = '#ffffff';
const RING_BACK = 'rgb(0 0 0 / 45%)';
const FONT = '600 13px system-ui, sans-serif';
// Labels of a region that are named.
const MAX_NAMES = 1;

/** @param {{participant: import('./participant.js').Participant}} props */
export function Stage({ participant, children }) {
  const place = useRef(null);
  const canvas = useRef(null);
  const [aspect, setAspect] = useState(16 / 9);
  const { video, isMirrored } = participant.source;

  useEffect(() => {
    video.className = isMirrored ? 'mirrored' : '';
    video.setAttribute('aria-label', `Video of ${participant.name}`);
    place.current.prepend(video);
    const measure = () => {
      if (video.videoHeight) setAspect(video.videoWidth / video.videoHeight);
    };
    measure();
    video.addEventListener('resize', measure);
    return () => {
      video.removeEventListener('resize', measure);
      video.remove();
    };
  }, [video]);

  // Each time that the page is rendered: it is rendered when something was found.
  useLayoutEffect(() => draw(canvas.current, participant));

  return html`
    <div class="stage" ref=${place} style=${{ aspectRatio: String(aspect) }}>
      <canvas ref=${canvas} aria-hidden="true"></canvas>
      ${children}
    </div>
  `;
}

function draw(canvas, participant) {
  const ratio = globalThis.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const place = ({ xmin, xmax, ymin, ymax }) => {
    const left = participant.source.isMirrored ? 1 - xmax : xmin;
    return { x: left * width, y: ymin * height, w: (xmax - xmin) * width, h: (ymax - ymin) * height };
  };
  for (const region of participant.regions) drawRegion(context, region, place(region.box));
  if (participant.holding?.box) drawRing(context, participant.holding, place(participant.holding.box), width, height);
}

function drawRegion(context, { kind, labels }, { x, y, w, h }) {
  const colour = COLOURS[kind] ?? RING;
  context.lineWidth = 2;
  context.strokeStyle = colour;
  context.beginPath();
  context.roundRect(x, y, w, h, 8);
  context.stroke();
  const text = labels.slice(0, MAX_NAMES).map(({ label, score }) => `${labelText(label)} ${Math.round(100 * score)} %`).join(', ');
  if (text) drawTag(context, text, colour, x, y + h);
}

function drawTag(context, text, colour, x, bottom) {
  context.font = FONT;
  const width = context.measureText(text).width + 12;
  const top = Math.min(bottom + 4, context.canvas.clientHeight - 22);
  context.fillStyle = 'rgb(0 0 0 / 65%)';
  context.beginPath();
  context.roundRect(x, top, width, 20, 6);
  context.fill();
  context.fillStyle = colour;
  context.fillText(text, x + 6, top + 14.5);
}

function drawRing(context, { label, progress }, { x, y, w, h }, width, height) {
  const radius = Math.max(28, Math.min(0.6 * Math.max(w, h), 0.42 * Math.min(width, height)));
  const keep = radius + 8;
  const centreX = Math.max(keep, Math.min(width - keep, x + w / 2));
  const centreY = Math.max(keep, Math.min(height - keep, y + h / 2));
  const arc = (from, to, colour, line) => {
    context.beginPath();
    context.arc(centreX, centreY, radius, from, to);
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.stroke();
  };
  context.lineCap = 'round';
  arc(0, 2 * Math.PI, RING_BACK, 11);
  const top = -Math.PI / 2;
  arc(top, top + 2 * Math.PI * Math.max(0.01, progress), RING, 7);
  const text = labelText(label);
  context.font = '650 15px system-ui, sans-serif';
  const textWidth = context.measureText(text).width;
  context.fillStyle = 'rgb(0 0 0 / 65%)';
  context.beginPath();
  context.roundRect(centreX - textWidth / 2 - 10, centreY - radius - 2, textWidth + 20, 26, 13);
  context.fill();
  context.fillStyle = RING;
  context.fillText(text, centreX - textWidth / 2, centreY - radius + 16);
}

/**
 * The hands that the server sees, drawn over the picture as joints and bones.
 * @module
 */
import { html, useLayoutEffect, useRef } from '../../vendor/preact.js';

const FINGERS = [[0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16], [0, 17, 18, 19, 20], [5, 9, 13, 17]];
const MAIN = '#7ee0c3';
const OTHER = 'rgb(255 255 255 / 55%)';
const RECORDED = '#ff8f85';

/**
 * @param {object} props
 * @param {import('./api.js').SeenHands | null} props.seen
 * @param {boolean} props.isMirrored
 * @param {boolean} props.isRecording
 */
export function Skeleton({ seen, isMirrored, isRecording }) {
  const canvas = useRef(null);
  useLayoutEffect(() => draw(canvas.current, seen, isMirrored, isRecording));
  return html`<canvas class="skeleton" ref=${canvas} aria-hidden="true"></canvas>`;
}

function draw(canvas, seen, isMirrored, isRecording) {
  const ratio = globalThis.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.lineCap = context.lineJoin = 'round';
  const hands = seen?.hands ?? [];
  hands.forEach(({ landmarks }, place) => {
    const points = landmarks.map(([x, y]) => [(isMirrored ? 1 - x : x) * width, y * height]);
    // The largest hand comes first, and is the one that is recorded.
    drawHand(context, points, place ? OTHER : isRecording ? RECORDED : MAIN);
  });
}

function drawHand(context, points, colour) {
  const stroke = (style, line) => {
    context.strokeStyle = style;
    context.lineWidth = line;
    for (const finger of FINGERS) {
      context.beginPath();
      for (const joint of finger) context.lineTo(...points[joint]);
      context.stroke();
    }
  };
  stroke('rgb(0 0 0 / 45%)', 5);
  stroke(colour, 2.5);
  context.fillStyle = colour;
  for (const [x, y] of points) {
    context.beginPath();
    context.arc(x, y, 3.2, 0, 2 * Math.PI);
    context.fill();
  }
}

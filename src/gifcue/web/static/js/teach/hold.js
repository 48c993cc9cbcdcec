/**
 * A button that records while it is held. A short press makes it a switch: it records until it is pressed again. The
 * space bar and Enter do the same as a pointer.
 * @module
 */
import { html, useEffect, useRef } from '../../vendor/preact.js';

// A press shorter than this many milliseconds switches.
const SHORT_MS = 300;
const KEYS = new Set([' ', 'Enter']);

/**
 * @param {object} props
 * @param {boolean} props.isOn whether it records
 * @param {boolean} props.disabled
 * @param {() => void} props.onStart
 * @param {() => void} props.onStop
 * @param {string} [props.describedBy]
 */
export function HoldButton({ isOn, disabled, onStart, onStop, describedBy, children }) {
  // When the press that runs began, and whether it switched the recording on.
  const press = useRef(null);

  const begin = () => {
    if (disabled || press.current) return;
    press.current = { atMs: performance.now(), started: !isOn };
    if (isOn) onStop();
    else onStart();
  };
  const end = () => {
    const { current } = press;
    press.current = null;
    if (current?.started && performance.now() - current.atMs >= SHORT_MS) onStop();
  };
  // A pointer may be released outside of the button, and a page may lose the keyboard.
  useEffect(() => {
    globalThis.addEventListener('pointerup', end);
    globalThis.addEventListener('pointercancel', end);
    globalThis.addEventListener('blur', end);
    return () => {
      globalThis.removeEventListener('pointerup', end);
      globalThis.removeEventListener('pointercancel', end);
      globalThis.removeEventListener('blur', end);
    };
  });

  const onPointerDown = (event) => {
    if (event.button === 0) begin();
  };
  const onKeyDown = (event) => {
    if (!KEYS.has(event.key)) return;
    event.preventDefault(); // no click, and the page does not scroll
    if (!event.repeat) begin();
  };
  const onKeyUp = (event) => {
    if (!KEYS.has(event.key)) return;
    event.preventDefault();
    end();
  };
  // Assistive programs click without a press.
  const onClick = (event) => {
    if (event.detail !== 0 || disabled) return;
    if (isOn) onStop();
    else onStart();
  };
  return html`
    <button type="button" class=${`record ${isOn ? 'on' : ''}`} aria-pressed=${isOn} disabled=${disabled} aria-describedby=${describedBy}
      onPointerDown=${onPointerDown} onKeyDown=${onKeyDown} onKeyUp=${onKeyUp} onClick=${onClick} onContextMenu=${(event) => event.preventDefault()}>
      <span class="lamp" aria-hidden="true"></span>${children}
    </button>
  `;
}

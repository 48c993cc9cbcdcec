/**
 * A GIF with its text. Where the user prefers reduced motion, its first picture stands still.
 * @module
 */
import { html, useEffect, useRef, useState } from '../../vendor/preact.js';

const QUERY = '(prefers-reduced-motion: reduce)';

/** Whether the user prefers reduced motion. */
export function useReducedMotion() {
  const [reduced, setReduced] = useState(() => matchMedia(QUERY).matches);
  useEffect(() => {
    const query = matchMedia(QUERY);
    const follow = () => setReduced(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  return reduced;
}

/** @param {{gif: {url: string, title: string}}} props */
export function GifPicture({ gif }) {
  const reduced = useReducedMotion();
  const [isBroken, setBroken] = useState(false);
  if (isBroken) return html`<p class="small">The GIF could not be loaded: ${gif.title}</p>`;
  const broken = () => setBroken(true);
  return reduced
    ? html`<${Still} gif=${gif} onError=${broken} />`
    : html`<img src=${gif.url} alt=${gif.title} onError=${broken} />`;
}

function Still({ gif, onError }) {
  const canvas = useRef(null);
  useEffect(() => {
    const image = new Image();
    // An image outside of the page does not play: what is drawn is its first picture.
    image.onload = () => {
      const { current } = canvas;
      if (!current) return;
      current.width = image.naturalWidth;
      current.height = image.naturalHeight;
      current.getContext('2d').drawImage(image, 0, 0);
    };
    image.onerror = onError;
    image.src = gif.url;
  }, [gif.url]);
  return html`<canvas ref=${canvas} role="img" aria-label=${gif.title}></canvas>`;
}

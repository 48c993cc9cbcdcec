// Preact with its hooks, and `html`, which makes elements from tagged templates without a build step.
import { h } from 'preact';
import htm from 'htm';

export { Fragment, createContext, h, render } from 'preact';
export {
  useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from 'preact/hooks';
export const html = htm.bind(h);

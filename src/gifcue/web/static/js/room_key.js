/**
 * The key of a room, by which proxies place its streams. `gifcue.client.room_key` computes the same.
 * @module
 */
const DIGITS = 32;

/**
 * The address with the key of the room. Without a room, or where the page has no cryptography because it came without
 * TLS from another machine, the address stays as it is: a proxy then chooses any server.
 * @param {string} url
 * @param {string | undefined} roomId
 * @returns {Promise<string>}
 */
export async function withRoom(url, roomId) {
  if (!roomId || !globalThis.crypto?.subtle || !URL.canParse(url)) return url;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(roomId)));
  const address = new URL(url);
  const key = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('').slice(0, DIGITS);
  address.searchParams.set('room', key);
  return address.href;
}

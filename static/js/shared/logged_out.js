// Where pages want a login and the session has ended, in another tab or from another device: on to the login, once.

export const LOGGED_OUT = 4401; // with which the server closes a socket
const UNAUTHORIZED = 401;

export function toLogin() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

// A refused handshake says nothing of its reason.
export async function leaveIfLoggedOut() {
  const answer = await fetch("/account", { method: "HEAD", headers: { "HX-Request": "true" } }).catch(() => null);
  return answer ? leaveIfRefused(answer) : false;
}

// Whoever asks as for a page is led to the login instead of being refused.
export function leaveIfRefused({ status, redirected, url }) {
  const refused = status === UNAUTHORIZED || (redirected && new URL(url).pathname === "/login");
  if (refused) toLogin();
  return refused;
}

// As fetch.
export async function ask(address, options) {
  const answer = await fetch(address, options);
  leaveIfRefused(answer);
  return answer;
}

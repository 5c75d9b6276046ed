// Served at /last-seen.js as the pages' service worker: while the realm is away, a reload shows what was last seen.
// Everything is asked of the realm first, so nothing old is shown while it is there.

const KEPT = "last-seen";
const PAGES = /^\/(battles(\/.*)?|heroes(\/.*)?)?$/;
const NEVER = /^\/battles\/delete$|\/report\.html$/; // a question, and files to save
const COMPARED = "/battles/compare"; // which battles, its address says behind the path
const SEEN_AT = "X-Seen-At";

addEventListener("install", () => skipWaiting());

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate" && PAGES.test(pathname) && !NEVER.test(pathname)) event.respondWith(page(event));
  else if (pathname.startsWith("/static/")) event.respondWith(part(event));
});

async function page(event) {
  const { request } = event;
  try {
    const answer = await fetch(request);
    if (answer.redirected || answer.status === 401) event.waitUntil(caches.delete(KEPT));
    else if (answer.ok) event.waitUntil(keepPage(request, answer.clone()));
    return answer;
  } catch (error) {
    const kept = await (await caches.open(KEPT)).match(nameOf(request));
    if (!kept) throw error;
    const text = await kept.text();
    const marked = text.replace("<html ", `<html data-seen-at="${kept.headers.get(SEEN_AT)}" `);
    return new Response(marked, { headers: kept.headers });
  }
}

// By its path: what stands behind it says how one looks at the same page, but for a comparison.
function nameOf({ url }) {
  const { pathname, search } = new URL(url);
  return pathname === COMPARED ? pathname + search : pathname;
}

async function keepPage(request, answer) {
  const headers = new Headers(answer.headers);
  headers.set(SEEN_AT, new Date().toISOString());
  const cache = await caches.open(KEPT);
  await cache.put(nameOf(request), new Response(await answer.text(), { headers }));
}

async function part(event) {
  const { request } = event;
  try {
    const answer = await fetch(request);
    if (answer.ok) event.waitUntil(keepPart(request, answer.clone()));
    return answer;
  } catch (error) {
    const kept = await (await caches.open(KEPT)).match(request);
    if (!kept) throw error;
    return kept;
  }
}

async function keepPart(request, answer) {
  const cache = await caches.open(KEPT);
  await cache.put(request, answer);
}
